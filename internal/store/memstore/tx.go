package memstore

import (
	"maps"
	"slices"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// books are all tables at one moment.
type books struct {
	// keys are the generations of each tenant, oldest first.
	keys        table[access.TenantID, []store.Key]
	policies    table[key, []byte]
	requests    table[key, access.Request]
	decisions   table[key, []store.Decision]
	reviews     table[key, []access.Review]
	grants      table[key, access.Grant]
	plans       table[key, store.Sealed]
	atoms       table[atomKey, store.Atom]
	holdings    table[key, holding]
	findings    table[key, access.Finding]
	credentials table[key, access.SealedCredential]
	// freezes has those that were lifted too, so that a cursor goes on behind them.
	freezes      table[key, freeze]
	delegations  table[key, access.Delegation]
	attestations table[key, []access.Attestation]
	// events is the log, each at its position; unsequenced is what has none yet, in the order of its IDs.
	events      table[access.TenantID, []store.EventRow]
	unsequenced table[access.TenantID, []store.EventRow]
	logHeads    table[access.TenantID, store.LogHead]
	logTiles    table[tileKey, []byte]
	cursors     table[key, store.Cursor]
	leases      table[string, lease]
	// restores are in the order of their moments.
	restores table[access.TenantID, []store.Restore]
	rules    table[access.TenantID, string]
	// configurations are by their states.
	configurations table[key, configuration]
	erasures       table[key, access.Erasure]
	profiles       table[key, access.Profile]
	sessions       table[key, session]
	provisioned    table[provisionedKey, store.ProvisionedResource]
	// memberships has the key of each group, with the IDs of its members.
	memberships table[provisionedKey, map[string]bool]
	staleUsers  table[provisionedKey, stale]
	devices     table[key, store.Device]
	passkeys    table[key, access.Passkey]
	// recoveryCodes are each person's, by the principal.
	recoveryCodes table[principalKey, recoverySet]
	ceremonies    table[key, store.Ceremony]
	confirmations table[key, []access.Confirmation]
	spent         table[spentKey, time.Time]
}

// key names a row: nothing of one tenant has the key of another's.
type key struct {
	tenant access.TenantID
	id     string
}

// table is a map that is copied before a transaction first writes to it.
type table[K comparable, V any] struct {
	rows map[K]V
	// owner is the transaction that made the copy and may write to it.
	owner *tx
}

func (b *table[K, V]) mine(t *tx) map[K]V {
	if b.owner != t {
		b.rows, b.owner = maps.Clone(b.rows), t
		if b.rows == nil {
			b.rows = map[K]V{}
		}
	}
	return b.rows
}

// tx is a transaction under way. Its books are its own.
type tx struct {
	books    books
	now      time.Time
	writable bool
	ended    bool
	// broken, once set, is the answer to every further call, and in the end of the transaction.
	broken error
}

func (t *tx) Now() time.Time { return t.now }

func (t *tx) Installation() store.Installation     { return installation{t} }
func (t *tx) Keys() store.Keys                     { return keys{t} }
func (t *tx) Policies() store.Policies             { return policies{t} }
func (t *tx) Requests() store.Requests             { return requests{t} }
func (t *tx) Decisions() store.Decisions           { return decisions{t} }
func (t *tx) Reviews() store.Reviews               { return reviews{t} }
func (t *tx) Grants() store.Grants                 { return grants{t} }
func (t *tx) Plans() store.Plans                   { return plans{t} }
func (t *tx) Atoms() store.Atoms                   { return atoms{t} }
func (t *tx) Findings() store.Findings             { return findings{t} }
func (t *tx) Credentials() store.Credentials       { return credentials{t} }
func (t *tx) Freezes() store.Freezes               { return freezes{t} }
func (t *tx) Delegations() store.Delegations       { return delegations{t} }
func (t *tx) Attestations() store.Attestations     { return attestations{t} }
func (t *tx) Events() store.Events                 { return events{t} }
func (t *tx) Log() store.Log                       { return merkleLog{t} }
func (t *tx) Cursors() store.Cursors               { return cursors{t} }
func (t *tx) Leases() store.Leases                 { return leases{t} }
func (t *tx) Restores() store.Restores             { return restores{t} }
func (t *tx) Rules() store.Rules                   { return rules{t} }
func (t *tx) Configurations() store.Configurations { return configurations{t} }
func (t *tx) Profiles() store.Profiles             { return profiles{t} }
func (t *tx) Sessions() store.Sessions             { return sessions{t} }
func (t *tx) Devices() store.Devices               { return devices{t} }
func (t *tx) Provisioned() store.Provisioned       { return provisioned{t} }
func (t *tx) Memberships() store.Memberships       { return memberships{t} }
func (t *tx) StaleUsers() store.StaleUsers         { return staleUsers{t} }
func (t *tx) Passkeys() store.Passkeys             { return passkeys{t} }
func (t *tx) RecoveryCodes() store.RecoveryCodes   { return recoveryCodes{t} }
func (t *tx) Ceremonies() store.Ceremonies         { return ceremonies{t} }
func (t *tx) Confirmations() store.Confirmations   { return confirmations{t} }
func (t *tx) Erasures() store.Erasures             { return erasures{t} }
func (t *tx) Redactions() store.Redactions         { return redactions{t} }
func (t *tx) SpentTokens() store.SpentTokens       { return spentTokens{t} }

func (t *tx) end() { t.ended = true }

// mayRead is what every method that reads asks first.
func (t *tx) mayRead() error {
	if t.ended {
		return access.Errorf(access.KindInternal, "a transaction was used after its end")
	}
	return t.broken
}

// mayWrite is what every method that writes asks first.
func (t *tx) mayWrite() error {
	if !t.writable {
		return access.Errorf(access.KindInternal, "a view cannot write; use Update")
	}
	return t.mayRead()
}

// find reads one row.
func find[V any](t *tx, rows map[key]V, noun string, k key) (V, error) {
	var none V
	if err := t.mayRead(); err != nil {
		return none, err
	}
	v, there := rows[k]
	if !there {
		return none, access.Errorf(access.KindNotFound, "There is no %s %.128q.", noun, k.id)
	}
	return v, nil
}

// remove deletes a row that is there.
func remove[V any](t *tx, rows *table[key, V], noun string, k key) error {
	if _, err := find(t, rows.rows, noun, k); err != nil {
		return err
	}
	if err := t.mayWrite(); err != nil {
		return err
	}
	delete(rows.mine(t), k)
	return nil
}

// eachRequest calls fn with the key of each request that is named, once, in the order of their IDs.
func (t *tx) eachRequest(tenant access.TenantID, requests []access.RequestID, fn func(key)) error {
	if len(requests) > store.MaxRequests {
		return access.Errorf(access.KindInvalid, "One call reads of %d requests at most, and this one names %d.", store.MaxRequests, len(requests))
	}
	for _, id := range slices.Compact(slices.Sorted(slices.Values(requests))) {
		fn(key{tenant, string(id)})
	}
	return t.mayRead()
}

// refer asks for a row that a new one refers to. A transaction that refers to what is not there is over.
func refer[V any](t *tx, rows map[key]V, noun string, k key) error {
	_, err := find(t, rows, noun, k)
	if t.broken == nil {
		t.broken = err
	}
	return err
}

// refuse ends a transaction that has written what cannot be kept.
func (t *tx) refuse(format string, args ...any) error {
	t.broken = access.Errorf(access.KindInvalid, format, args...)
	return t.broken
}

// insert writes a row that must be new.
func insert[V any](t *tx, b *table[key, V], noun string, k key, v V) error {
	if err := t.mayWrite(); err != nil {
		return err
	}
	if _, there := b.rows[k]; there {
		return access.Errorf(access.KindConflict, "There is a %s %.128q already.", noun, k.id)
	}
	b.mine(t)[k] = v
	return nil
}

func movedOn(noun, id string) error {
	return access.Errorf(access.KindConflict, "The %s %.128q has changed meanwhile; read it again.", noun, id)
}

// whole is a time as stores keep it.
func whole(t time.Time) time.Time { return access.FromMicros(access.Micros(t)) }
