package engine

import (
	"context"
	"crypto/ed25519"
	"slices"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/audit"
	"github.com/curfewhq/curfew/internal/secret"
	"github.com/curfewhq/curfew/internal/store"
)

// entryPurpose and logPurpose are what the keys of the audit log are for.
const (
	entryPurpose = "audit entry"
	logPurpose   = "audit log"
)

// LogKey is the key that signs the checkpoints of a tenant's audit log under a generation of its keys.
func LogKey(s *secret.Sealer, generation int) (ed25519.PrivateKey, error) {
	return s.SigningKey(generation, logPurpose)
}

// LogKeys are the public keys of a log, under every generation of the keys in hand, the newest first; see
// audit.VerifierKey.
func LogKeys(s *secret.Sealer, origin string) (keys []string, err error) {
	for _, generation := range s.Generations() {
		private, err := LogKey(s, generation)
		if err != nil {
			return nil, err
		}
		key, err := audit.VerifierKey(origin, private.Public().(ed25519.PublicKey))
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// entryMAC says of an entry that Curfew wrote it, under the newest generation of the keys. It counts until the tree has the
// entry, which a checkpoint proves from then on: who can write to the store alone can neither change what waits for that nor
// add to it.
func entryMAC(s *secret.Sealer, id access.EventID, leaf []byte) (mac []byte, generation int, err error) {
	generation = s.Generation()
	mac, err = s.MACUnder(generation, entryPurpose, string(id), string(leaf))
	return mac, generation, err
}

// IsEntryMAC reports whether Curfew made it for the entry, under any generation of the keys in hand.
func IsEntryMAC(s *secret.Sealer, mac []byte, id access.EventID, leaf []byte) bool {
	return s.VerifyMAC(mac, entryPurpose, string(id), string(leaf)) > 0
}

// wrote reports whether Curfew wrote an entry: this node, or one that has newer keys.
func (e *Engine) wrote(ctx context.Context, row store.EventRow) (bool, error) {
	if IsEntryMAC(e.cfg.Sealer, row.MAC, row.ID, row.Leaf) {
		return true, nil
	}
	if err := e.refreshKeys(ctx); err != nil {
		return false, err
	}
	return IsEntryMAC(e.cfg.Sealer, row.MAC, row.ID, row.Leaf), nil
}

// refreshKeys looks for keys that another node has made. That it cannot says nothing about what was to be verified with them,
// so its error is always access.KindUnavailable.
func (e *Engine) refreshKeys(ctx context.Context) error {
	if err := e.cfg.Sealer.Refresh(ctx); err != nil {
		return access.Wrap(access.KindUnavailable, err, "The keys cannot be read at this moment.")
	}
	return nil
}

// LogOrigin is the name of the audit log.
func (e *Engine) LogOrigin() string { return audit.Origin(e.cfg.Installation, e.cfg.Tenant) }

// LogKey is the public key that signs the audit log by now, as one line of text; see audit.VerifierKey.
func (e *Engine) LogKey() (string, error) {
	keys, err := LogKeys(e.cfg.Sealer, e.LogOrigin())
	if err != nil {
		return "", err
	}
	return keys[0], nil
}

// LogKeyOf is the public key that has signed a checkpoint of the log. Without one it is that of the oldest generation: the
// log begins with it, so that it is good for the whole log, whenever it was given to somebody.
func (e *Engine) LogKeyOf(ctx context.Context, signed []byte) (string, error) {
	if len(signed) == 0 {
		keys, err := LogKeys(e.cfg.Sealer, e.LogOrigin())
		if err != nil {
			return "", err
		}
		return keys[len(keys)-1], nil
	}
	_, key, err := e.openCheckpoint(ctx, signed)
	return key, err
}

// openCheckpoint opens what a key of ours has signed, on this node or on one that has newer keys.
func (e *Engine) openCheckpoint(ctx context.Context, signed []byte) (c audit.Checkpoint, key string, err error) {
	if c, key, err = e.openWithKeysInHand(signed); err == nil {
		return c, key, nil
	}
	if err := e.refreshKeys(ctx); err != nil {
		return audit.Checkpoint{}, "", err
	}
	return e.openWithKeysInHand(signed)
}

func (e *Engine) openWithKeysInHand(signed []byte) (c audit.Checkpoint, key string, err error) {
	keys, err := LogKeys(e.cfg.Sealer, e.LogOrigin())
	if err != nil {
		return c, "", err
	}
	for _, key = range keys {
		if c, err = audit.OpenCheckpoint(signed, key); err == nil {
			return c, key, nil
		}
	}
	return audit.Checkpoint{}, "", err
}

// logSigner is a key that signs checkpoints, and the generation of the keys that it is of.
type logSigner struct {
	generation int
	private    ed25519.PrivateKey
	public     string
}

// logSigner is the key that signs the next checkpoint, behind a head and with entries that the checkpoint will have. It is
// that of the newest generation, once the tree has an entry in which the key before says so; until then it is that key, and
// handover is the detail of the entry to make.
func (e *Engine) logSigner(ctx context.Context, head store.LogHead, entries []store.EventRow) (signer logSigner, handover map[string]string, err error) {
	signedBy, err := e.LogKeyOf(ctx, head.Checkpoint)
	if err != nil {
		return logSigner{}, nil, err
	}
	var signers []logSigner
	for _, generation := range e.cfg.Sealer.Generations() {
		key, err := LogKey(e.cfg.Sealer, generation)
		if err != nil {
			return logSigner{}, nil, err
		}
		public, err := audit.VerifierKey(e.LogOrigin(), key.Public().(ed25519.PublicKey))
		if err != nil {
			return logSigner{}, nil, err
		}
		signers = append(signers, logSigner{generation, key, public})
	}
	newest := signers[0]
	if newest.public == signedBy || announced(entries, signedBy, newest.public) {
		return newest, nil, nil
	}
	at := slices.IndexFunc(signers, func(s logSigner) bool { return s.public == signedBy })
	if at < 0 {
		return logSigner{}, nil, access.Errorf(access.KindUnavailable, "The keys of the audit log were changed at this moment; try again.")
	}
	handover, err = audit.NewKeyChange(e.LogOrigin(), signers[at].private, newest.private)
	return signers[at], handover, err
}

// announced reports whether one of the entries leads from the one key to the other.
func announced(entries []store.EventRow, previous, next string) bool {
	return slices.ContainsFunc(entries, func(row store.EventRow) bool {
		ev, err := audit.Open(row.Leaf, nil)
		if err != nil || ev.Kind != access.EventLogKeyChanged {
			return false
		}
		from, to, err := audit.KeyChanged(ev)
		return err == nil && from == previous && to == next
	})
}
