package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/audit"
	"github.com/curfewhq/curfew/internal/config"
	"github.com/curfewhq/curfew/internal/secret"
	"github.com/curfewhq/curfew/internal/store"
	"github.com/curfewhq/curfew/internal/store/sqlstore"
)

// Restore makes a store of a backup where the configuration says that the store is, and says on out how far it is. The
// place is empty; the key is the one that belongs to the backup. The bearer tokens of the configuration are void from
// then on: who had them when the store was lost may have them still. No server runs meanwhile.
func Restore(ctx context.Context, c *config.Config, from string, out io.Writer) (err error) {
	at, err := c.Store.Resolve()
	if err != nil {
		return fmt.Errorf("the store: %w", err)
	}
	b, err := sqlstore.OpenBackup(ctx, from)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	installation, err := b.Installation(ctx)
	if err != nil {
		return err
	}
	sealer, err := openBackupKeys(ctx, b, installation, c.Server.Key)
	if err != nil {
		return err
	}
	newest, err := b.Newest(ctx, access.DefaultTenant)
	if err != nil {
		return err
	}
	r, err := newRestoration(c, installation, sealer, newest, store.Restore{At: time.Now(), TakenAt: b.TakenAt()})
	if err != nil {
		return err
	}
	if at.URL != "" {
		err = secret.NewRedactor(at.URL).Error(b.RestorePostgres(ctx, at.URL, r.note, saying(out)))
	} else {
		err = b.RestoreSQLite(ctx, at.Path, r.note, saying(out))
	}
	if err != nil {
		return err
	}
	return r.finish(out)
}

// AcceptStore accepts the store as it is, after somebody has set it back by other means than Restore: with the tools of
// its database, say. What follows is the same.
func AcceptStore(ctx context.Context, c *config.Config, out io.Writer) (err error) {
	st, err := openStore(ctx, c.Store, Options{Clock: access.SystemClock{}})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	installation, kept, err := readKeys(ctx, st)
	if err != nil {
		return err
	}
	if len(kept) == 0 {
		return access.Errorf(access.KindMisconfigured, "the store is new and empty: there is nothing in it to accept, so fill it from a backup with --from")
	}
	sealer, _, err := openKeys(ctx, st, c.Server)
	if err != nil {
		return err
	}
	newest, _, err := readLog(ctx, st, 0)
	if err != nil {
		return err
	}
	now, err := st.Now(ctx)
	if err != nil {
		return err
	}
	r, err := newRestoration(c, installation, sealer, newest, store.Restore{At: now})
	if err != nil {
		return err
	}
	err = st.Update(ctx, "restored", func(tx store.Tx) error { return tx.Restores().Insert(r.note) })
	if err != nil {
		return err
	}
	return r.finish(out)
}

// restoration is a restore on its way.
type restoration struct {
	note   store.Restore
	head   *headFile
	newest store.EventRow
}

// newRestoration makes the note of a restore to a log that ends with newest. It refuses a head of another store.
func newRestoration(c *config.Config, installation string, sealer *secret.Sealer, newest store.EventRow, note store.Restore) (*restoration, error) {
	head := &headFile{path: c.Server.HeadFile, installation: installation, sealer: sealer, log: slog.New(slog.DiscardHandler)}
	known, there, err := head.read()
	if errors.Is(err, errLaterKeys) {
		// The backup is of before the keys were rotated, so nobody can tell whether the head is ours: it says nothing.
		known, there, err = audit.Head{}, false, nil
	}
	if err != nil {
		return nil, err
	}
	note.KeyGeneration = sealer.Generation()
	note.Tenant, note.At = access.DefaultTenant, note.At.UTC().Truncate(time.Microsecond)
	note.Kept = store.Place{Position: newest.Position, Event: newest.ID}
	if there && known.Position > newest.Position {
		note.Lost = store.Place{Position: known.Position, Event: known.Event}
	}
	// The restore explains heads from before it. A clock that is behind must not make this one look later.
	if there && !note.At.After(known.At) {
		note.At = known.At.Add(time.Microsecond)
	}
	if note.VoidTokens, err = tokenMACs(c, sealer, note.KeyGeneration); err != nil {
		return nil, err
	}
	if note.MAC, err = restoreMAC(sealer, note); err != nil {
		return nil, err
	}
	return &restoration{note: note, head: head, newest: newest}, nil
}

// finish moves the head, which a start would do as well, and says what has happened.
func (r *restoration) finish(out io.Writer) error {
	if r.newest.Position > 0 {
		if err := r.head.write(r.newest, nil, r.note.At.Add(time.Microsecond)); err != nil {
			return err
		}
	}
	text := "The store is restored"
	if !r.note.TakenAt.IsZero() {
		text += " as of " + r.note.TakenAt.Format(time.RFC3339)
	}
	text += fmt.Sprintf(": its audit log ends at position %d.\n", r.note.Kept.Position)
	if r.note.Lost.Position > 0 {
		text += fmt.Sprintf("The events at %d to %d are lost, as far as this machine knows.\n", r.note.Kept.Position+1, r.note.Lost.Position)
	}
	text += fmt.Sprintf("%d bearer tokens are void: give everybody a new one in the configuration before the server starts.\n"+
		"When it starts, it takes back every grant that was live, and lets the requests lapse that waited.\n", len(r.note.VoidTokens))
	_, err := io.WriteString(out, text)
	return err
}

// openBackupKeys opens every key in the backup, so that a key-encryption key that does not fit is found before anything is
// changed.
func openBackupKeys(ctx context.Context, b *sqlstore.Backup, installation string, key config.Key) (*secret.Sealer, error) {
	keys, err := b.Keys(ctx)
	if err != nil {
		return nil, err
	}
	wrapper, err := openWrapper(key)
	if err != nil {
		return nil, err
	}
	sealers := map[access.TenantID]*secret.Sealer{}
	for tenant, kept := range keys {
		owner := secret.Owner{Installation: installation, Tenant: tenant}
		source := func(context.Context) ([]secret.WrappedKeys, error) { return wrappedKeys(kept), nil }
		if sealers[tenant], err = secret.OpenSealer(ctx, wrapper, owner, source); err != nil {
			return nil, fmt.Errorf("the key (server.key) and the backup do not belong together: %w", err)
		}
	}
	sealer, ok := sealers[access.DefaultTenant]
	if !ok {
		return nil, access.Errorf(access.KindMisconfigured, "the backup is of a store that no server has ever used: there is nothing to restore")
	}
	return sealer, nil
}
