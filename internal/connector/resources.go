package connector

import (
	"maps"
	"slices"

	"github.com/curfewhq/curfew/internal/access"
)

// NewFieldError is the error of the field at a path of keys.
func NewFieldError(msg string, path ...string) *FieldError { return &FieldError{Path: path, Msg: msg} }

// Under puts keys before the path, for what is part of something greater. Of no error it makes none.
func (e *FieldError) Under(path ...string) *FieldError {
	if e == nil {
		return nil
	}
	return NewFieldError(e.Msg, append(slices.Clone(path), e.Path...)...)
}

// CheckResources checks the field resources of a configuration, for types whose targets do not say by themselves what can be
// asked for: each resource has permissions, entitlements can name both, and check finds nothing wrong with what a permission
// stands for. The example is a resource as it could be written, and standsFor the word for what permissions stand for.
func CheckResources[R, P any](resources map[string]R, permissions func(R) map[string]P, example, standsFor string, check func(P) *FieldError) error {
	if len(resources) == 0 {
		return NewFieldError("name at least one resource, as in "+example, "resources")
	}
	for _, name := range slices.Sorted(maps.Keys(resources)) {
		of := permissions(resources[name])
		if len(of) == 0 {
			return NewFieldError("name at least one permission with its "+standsFor, "resources", name, "permissions")
		}
		for _, permission := range slices.Sorted(maps.Keys(of)) {
			at := []string{"resources", name, "permissions", permission}
			// The connector's name is not known here, and not in question.
			if err := (access.Entitlement{Connector: "c", Resource: name, Permission: permission}).Validate(); err != nil {
				return NewFieldError(err.Error(), at...)
			}
			if err := check(of[permission]); err != nil {
				return err.Under(at...)
			}
		}
	}
	return nil
}
