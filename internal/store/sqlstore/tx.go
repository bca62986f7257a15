package sqlstore

import (
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// tx is a transaction under way on a session.
type tx struct {
	dialect  *dialect
	session  session
	now      time.Time
	writable bool
	// stopped is the end of the caller's context, for a view; it is asked before every statement.
	stopped func() error
	// broken, once set, is the answer to every further call, and in the end of the transaction. It keeps a function that
	// overlooks an error of the database from going on in a transaction that the database has rolled back, which on
	// SQLite would commit statement by statement, or that PostgreSQL no longer listens to.
	broken error
	// wrote says that something may have been written.
	wrote bool
	// erased says that something was taken out that must not be left anywhere in the store.
	erased bool
	// erasedLast says that it was the last that was to be taken out of somebody.
	erasedLast bool
	// numbering gives events their positions, where the commit numbers them; nil where it does not.
	numbering *numbering
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

// end makes every further use of a transaction that was kept an error.
func (t *tx) end() {
	t.broken = access.Errorf(access.KindInternal, "a transaction was used after its end")
}

// ready checks what must hold before a statement.
func (t *tx) ready(args []any) error {
	if t.broken != nil {
		return t.broken
	}
	if err := t.stopped(); err != nil {
		return access.Wrap(access.KindOf(err), err, "The reading was cancelled.")
	}
	return checkValues(args)
}

// fail gives an error of the database its kind. The transaction is over with it.
func (t *tx) fail(err error) error {
	kind, message := t.dialect.classify(err)
	t.broken = access.Wrap(kind, err, message)
	return t.broken
}

// exec runs a statement that writes and returns the number of rows that it wrote.
func (t *tx) exec(text string, args ...any) (int64, error) {
	if !t.writable {
		return 0, errReadOnly()
	}
	if err := t.ready(args); err != nil {
		return 0, err
	}
	n, err := t.session.exec(text, args...)
	t.wrote = t.wrote || n > 0 || err != nil
	if err != nil {
		return 0, t.fail(err)
	}
	return n, nil
}

// insert runs an INSERT that ends in ON CONFLICT DO NOTHING; when it did nothing the answer is taken.
func (t *tx) insert(taken error, text string, args ...any) error {
	n, err := t.exec(text, args...)
	if err == nil && n == 0 {
		return taken
	}
	return err
}

// queryOne reads the first row; when there is none the answer is missing.
func queryOne[T any](t *tx, scan func(row) (T, error), missing error, text string, args ...any) (T, error) {
	var zero T
	items, err := queryAll(t, scan, text, args...)
	switch {
	case err != nil:
		return zero, err
	case len(items) == 0:
		return zero, missing
	}
	return items[0], nil
}

// queryAll reads every row. The text bounds how many there are.
func queryAll[T any](t *tx, scan func(row) (T, error), text string, args ...any) (items []T, err error) {
	return queryAbout(t, 0, scan, text, args...)
}

// room bounds the rows that queryAbout makes room for.
const room = 128

// queryAbout is queryAll with room for as many rows as there probably are.
func queryAbout[T any](t *tx, n int, scan func(row) (T, error), text string, args ...any) (items []T, err error) {
	if err := t.ready(args); err != nil {
		return nil, err
	}
	rows, err := t.session.query(text, args...)
	if err != nil {
		return nil, t.fail(err)
	}
	defer func() {
		if closeErr := rows.Close(); err == nil && closeErr != nil {
			err = t.fail(closeErr)
		}
	}()
	for rows.Next() {
		item, err := scan(rows)
		if err != nil {
			return nil, t.fail(err)
		}
		if items == nil {
			items = make([]T, 0, min(n, room))
		}
		items = append(items, item)
	}
	if err := rows.Err(); err != nil {
		return nil, t.fail(err)
	}
	return items, nil
}

// scanOne scans a row of one column.
func scanOne[T any](r row) (v T, err error) {
	err = r.Scan(&v)
	return v, err
}

// scanTime scans a row of one time, zero for NULL.
func scanTime(r row) (t time.Time, err error) {
	err = r.Scan(timeColumn{&t})
	return t, err
}

// notFound is the same sentence for what is not there and for what is another tenant's.
func notFound(noun, id string) error {
	return access.Errorf(access.KindNotFound, "There is no %s %.128q.", noun, id)
}

func alreadyThere(noun, id string) error {
	return access.Errorf(access.KindConflict, "There is a %s %.128q already.", noun, id)
}

func movedOn(noun, id string) error {
	return access.Errorf(access.KindConflict, "The %s %.128q has changed meanwhile; read it again.", noun, id)
}

func errReadOnly() error {
	return access.Errorf(access.KindInternal, "a view cannot write; use Update")
}
