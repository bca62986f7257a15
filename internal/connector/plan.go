package connector

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/curfewhq/curfew/internal/access"
)

// EncodePlan makes a plan of a driver's own part and the atoms that it touches.
func EncodePlan(own any, atoms ...access.Atom) (access.Plan, error) {
	body, err := json.Marshal(own)
	if err != nil {
		return access.Plan{}, fmt.Errorf("write a plan: %w", err)
	}
	return access.Plan{Atoms: atoms, Body: body}, nil
}

// DecodePlan reads a driver's own part of a plan. The driver checks what it must hold; see IncompletePlan.
func DecodePlan[T any](p access.Plan) (own T, err error) {
	if err := json.Unmarshal(p.Body, &own); err != nil {
		var none T
		return none, access.Wrap(access.KindInvalid, err, "The plan of this grant cannot be read.")
	}
	return own, nil
}

// IncompletePlan is the error of a plan without what it must name.
func IncompletePlan(missing string) error {
	return access.Errorf(access.KindInvalid, "The plan of this grant names no %s.", missing)
}

// CheckMark refuses a mark that a target with room for so many bytes of plain text could not give back byte by byte.
func CheckMark(m access.Mark, room int) error {
	if m == "" || len(m) > room || strings.ContainsFunc(string(m), func(r rune) bool { return r < ' ' || r > '~' }) {
		return access.Errorf(access.KindInvalid, "The order's mark is not 1 to %d printable ASCII characters.", room)
	}
	return nil
}
