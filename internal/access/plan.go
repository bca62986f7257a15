package access

import (
	"encoding/json"
)

// Mark is what Curfew writes on everything that it makes at a target, so that it can be told from everything else:
// installation, tenant, connector, grant and a MAC over them. Drivers carry it and never look inside; the engine mints
// and checks it.
type Mark string

// MaxAtomText bounds each text of an Atom, in bytes, so that every store can index all of them together.
const MaxAtomText = 512

// Atom is the smallest native unit of access at a target. Several grants may hold one.
type Atom struct {
	// Target is the identity of the target itself, as the target states it, not its address.
	Target string `json:"target"`
	// Account is the account's immutable ID at the target.
	Account string `json:"account"`
	// Right is the native right: a role, a group, a log-in.
	Right string `json:"right"`
}

// Plan is written and committed before a target is touched: what will be made, what was there before, and enough to
// observe it and to undo it with nothing else at hand. It is sealed at rest.
type Plan struct {
	Atoms []Atom `json:"atoms"`
	// Body is the driver's own part, opaque to everyone else.
	Body json.RawMessage `json:"body"`
}

// Sighting is something at a target that bears a mark, whoever's. It is not yet known whether the books explain it.
type Sighting struct {
	Mark Mark
	Atom Atom
	Note string
	// Plan suffices to observe and to remove what was sighted, for want of one in the books.
	Plan Plan
}
