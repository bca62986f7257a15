package access

import (
	"encoding/json"
	"time"
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

// Credential is a secret made for one grant. It exists in clear text only in the driver's hands and in the
// requester's; everywhere between it is sealed to the requester's key.
type Credential struct {
	Username string `json:"username,omitempty"`
	Password string `json:"password,omitempty"`
	URI      string `json:"uri,omitempty"`
	// Env is what a child process finds in its environment.
	Env map[string]string `json:"env,omitempty"`
	// Files are contents that a child process finds in files, each by the path in the variable of this name.
	Files map[string]string `json:"files,omitempty"`
}

// SealedCredential is a Credential that only the holder of the recipient's private key can open.
type SealedCredential struct {
	Grant GrantID
	// Attempt is part of what the ciphertext is bound to.
	Attempt int
	// Recipient is the public key that it is sealed to.
	Recipient []byte
	// Ciphertext is HPKE's encapsulated key followed by its ciphertext.
	Ciphertext []byte
	IssuedAt   time.Time
}

// Sighting is something at a target that bears a mark, whoever's. It is not yet known whether the books explain it.
type Sighting struct {
	Mark Mark
	Atom Atom
	Note string
	// Plan suffices to observe and to remove what was sighted, for want of one in the books.
	Plan Plan
}
