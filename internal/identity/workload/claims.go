package workload

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// claims are what a token says, by the exact names. encoding/json would take "Sub" for "sub", and the last of two.
type claims map[string]json.RawMessage

// readClaims reads the payload of a token: one object, in which no name comes twice.
func readClaims(payload []byte) (claims, error) {
	d := json.NewDecoder(bytes.NewReader(payload))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.New("the token's claims are no JSON object")
	}
	c := claims{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, fmt.Errorf("the token's claims: %w", err)
		}
		name, _ := t.(string) // what else a key could be, the decoder refuses
		if _, twice := c[name]; twice {
			return nil, fmt.Errorf("the claim %.64q comes twice", name)
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, fmt.Errorf("the token's claims: %w", err)
		}
		c[name] = value
	}
	if _, err := d.Token(); err != nil {
		return nil, fmt.Errorf("the token's claims: %w", err)
	}
	if d.More() {
		return nil, errors.New("there is something behind the token's claims")
	}
	return c, nil
}

// text reads a claim that is a text.
func (c claims) text(name string) (value string, ok bool) {
	raw := c[name]
	if len(raw) == 0 || raw[0] != '"' {
		return "", false
	}
	err := json.Unmarshal(raw, &value)
	return value, err == nil
}

// latest is far behind every moment that a token could mean, and well within what a time.Time holds.
const latest = 1 << 40

// moment reads a NumericDate (RFC 7519, section 2). It is zero where the claim is not there.
func (c claims) moment(name string) (time.Time, error) {
	raw, there := c[name]
	if !there {
		return time.Time{}, nil
	}
	var seconds float64
	if err := json.Unmarshal(raw, &seconds); err != nil || string(raw) == "null" || seconds <= 0 || seconds > latest {
		return time.Time{}, fmt.Errorf("the claim %s is no moment", name)
	}
	return time.UnixMicro(int64(seconds * 1e6)), nil
}

// audience reads whom the token is for, a text or a list of one. A token for several could have been taken from any of them.
func (c claims) audience() (string, bool) {
	if one, ok := c.text("aud"); ok {
		return one, true
	}
	var list []json.RawMessage
	if err := json.Unmarshal(c["aud"], &list); err != nil || len(list) != 1 {
		return "", false
	}
	return claims{"aud": list[0]}.text("aud")
}
