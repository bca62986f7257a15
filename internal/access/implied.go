package access

import "slices"

// Bounds of what one permission, and one request, says to imply.
const (
	MaxImplied      = 256
	MaxImpliedBytes = 32 << 10
)

// Implied is what a permission gives beyond the right that is granted, as read at the target: the groups that its groups
// are members of, say. Reviewers see it; policies do not. The zero value is a permission that implies nothing, or of which
// the target was not asked.
type Implied struct {
	// Rights are named as the target names them, sorted, each once.
	Rights []string `json:"rights,omitempty"`
	// Incomplete says in a sentence why there may be more; empty when there is none that could be seen.
	Incomplete string `json:"incomplete,omitempty"`
}

// IsZero reports whether there is nothing to show.
func (i Implied) IsZero() bool { return len(i.Rights) == 0 && i.Incomplete == "" }

// Size is how many bytes its texts have.
func (i Implied) Size() int {
	n := len(i.Incomplete)
	for _, r := range i.Rights {
		n += len(r)
	}
	return n
}

// Bounded reports whether it can be kept and shown.
func (i Implied) Bounded() bool { return len(i.Rights) <= MaxImplied && i.Size() <= MaxImpliedBytes }

// Within reports whether who was shown the other one has seen all of it.
func (i Implied) Within(shown Implied) bool {
	if i.Incomplete != "" && i.Incomplete != shown.Incomplete {
		return false
	}
	return !slices.ContainsFunc(i.Rights, func(r string) bool {
		_, seen := slices.BinarySearch(shown.Rights, r)
		return !seen
	})
}
