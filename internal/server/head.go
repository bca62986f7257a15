package server

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/audit"
	"github.com/curfewhq/curfew/internal/secret"
	"github.com/curfewhq/curfew/internal/store"
)

const (
	// headInterval is how often a head is written at most, and how much of the end of the log may be lost unnoticed.
	headInterval = time.Second
	// maxHead bounds the file, in bytes.
	maxHead = 4096
)

// headFile says outside of the store how far the audit log has come, so that a store that was set back is noticed.
type headFile struct {
	path         string
	installation string
	sealer       *secret.Sealer
	log          *slog.Logger

	// checkpoint is the newest one that was right: with it the log must begin. It is nil while nobody knows one.
	checkpoint []byte
	// newest is set while the head is kept.
	newest newestCheckpoint
	// end ends the keeping, and kept is closed when it is over; nil while nobody keeps it.
	end  context.CancelFunc
	kept chan struct{}
}

// headPurpose is what the keys that sign heads are derived for.
const headPurpose = "audit head"

// publicKey is the audit.HeadKeys of the keys in hand.
func (f *headFile) publicKey(generation int) ed25519.PublicKey {
	key, err := f.sealer.SigningKey(generation, headPurpose)
	if err != nil {
		return nil
	}
	return key.Public().(ed25519.PublicKey)
}

// errLaterKeys is wrapped by the error of read for a head that was signed under keys which the store does not have yet.
var errLaterKeys = errors.New("the head was signed under later keys")

// read reads the head; there is false while there is none. A head of another store is refused.
func (f *headFile) read() (h audit.Head, there bool, err error) {
	file, err := os.Open(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return audit.Head{}, false, nil
	}
	if err != nil {
		return audit.Head{}, false, fmt.Errorf("the head of the audit log (server.head): %w", err)
	}
	defer func() { _ = file.Close() }()
	text, err := io.ReadAll(io.LimitReader(file, maxHead))
	if err != nil {
		return audit.Head{}, false, fmt.Errorf("the head of the audit log (server.head): %w", err)
	}
	h, err = audit.OpenHead(text, f.publicKey)
	newest := f.sealer.Generation()
	switch foreignKey := errors.Is(err, audit.ErrSignature) && h.Installation == f.installation && f.publicKey(h.Generation) == nil; {
	case foreignKey && h.Generation > newest:
		return h, true, access.Wrap(access.KindMisconfigured, errLaterKeys, fmt.Sprintf(
			"%s (server.head) was signed under generation %d of the keys, and the store has %d at most: the store is of before the keys were rotated. Name the store that belongs to it, or restore a backup (curfewd restore)",
			f.path, h.Generation, newest))
	case foreignKey:
		return h, true, access.Errorf(access.KindMisconfigured,
			"%s (server.head) was signed under generation %d of the keys, which was destroyed since: this node was away for longer than that took, so nobody can tell from the file whether the store was set back meanwhile. If other nodes were not away, move the file away",
			f.path, h.Generation)
	case errors.Is(err, audit.ErrSignature) || err == nil && (h.Installation != f.installation || h.Tenant != access.DefaultTenant):
		return h, true, access.Errorf(access.KindMisconfigured,
			"%s (server.head) is of another store: of installation %s, which had come to position %d at %s, and this one is %s. Name the store or the backup that belongs to it, or move the file away if that one is given up",
			f.path, h.Installation, h.Position, h.At.Format(time.RFC3339), f.installation)
	case err != nil:
		return h, true, access.Wrap(access.KindMisconfigured, err, fmt.Sprintf("%s (server.head) cannot be read: move it away, knowing that the store may then have been set back", f.path))
	}
	return h, true, nil
}

// write replaces the head: who reads the file finds the one before, or this one.
func (f *headFile) write(newest store.EventRow, checkpoint []byte, at time.Time) error {
	generation := f.sealer.Generation()
	key, err := f.sealer.SigningKey(generation, headPurpose)
	if err != nil {
		return err
	}
	text, err := audit.SignHead(audit.Head{
		Installation: f.installation, Tenant: access.DefaultTenant, Position: newest.Position, Event: newest.ID,
		Leaf: leafHash(newest.Leaf), Checkpoint: checkpoint, At: at, Generation: generation,
	}, key)
	if err != nil {
		return err
	}
	if err := replaceFile(f.path, text); err != nil {
		return fmt.Errorf("writing the head of the audit log (server.head): %w", err)
	}
	return nil
}

func leafHash(leaf []byte) []byte {
	hash := audit.HashLeaf(leaf)
	return hash[:]
}

// replaceFile gives a file a new content, durably and all at once.
func replaceFile(path string, content []byte) error {
	file, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	err = errors.Join(err, file.Sync(), file.Close())
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

// refuseNewStore refuses to begin anew beside the head of a store that was in use.
func refuseNewStore(path string) error {
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return access.Errorf(access.KindMisconfigured,
			"the store is new and empty, and %s (server.head) is the head of one that was in use: if that one is lost, fill this one from a backup (curfewd restore); if it is given up, move the file away", path)
	}
	return nil
}

// check holds the store against the head. A store that ends before it, or says something else at its position, is not the
// one that was served, unless a later restore explains it.
func (f *headFile) check(ctx context.Context, st store.Store, restores []store.Restore) error {
	h, there, err := f.read()
	if err != nil {
		return err
	}
	newest, at, err := readLog(ctx, st, h.Position)
	switch {
	case err != nil:
		return err
	case !there && newest.Position > 0:
		f.log.WarnContext(ctx, "there is no head of the audit log here, so nobody can tell whether the store was set back; it is taken as it is",
			"head", f.path, "position", newest.Position)
		return nil
	case !there || at.ID == h.Event && string(leafHash(at.Leaf)) == string(h.Leaf):
		f.checkpoint = h.Checkpoint
		return nil
	case slices.ContainsFunc(restores, func(r store.Restore) bool { return !r.At.Before(h.At) }):
		f.log.WarnContext(ctx, "the store was restored after the head of the audit log was written; the head is moved",
			"head", f.path, "known_position", h.Position, "known_event", h.Event, "position", newest.Position, "event", newest.ID)
		return nil
	}
	return notAsKnown(f.path, h, newest, at)
}

// remedyForAnotherStore is what to do where a store is not the one that was served.
const remedyForAnotherStore = "If the store was lost, fill an empty one from a backup (curfewd restore --from); if it was set back on purpose by other means, accept that (curfewd restore --as-is)"

// notAsKnown says what is wrong with a store and what to do.
func notAsKnown(path string, h audit.Head, newest, at store.EventRow) error {
	if newest.Position < h.Position {
		return access.Errorf(access.KindMisconfigured,
			"the store's audit log ends at position %d, and %s (server.head) says that at %s it had come to %d: the events at %d to %d are missing, and so is all that was done with them. %s",
			newest.Position, path, h.At.Format(time.RFC3339), h.Position, newest.Position+1, h.Position, remedyForAnotherStore)
	}
	return access.Errorf(access.KindMisconfigured,
		"at position %d of the store's audit log is the event %s, and %s (server.head) says that at %s it was %s: this is another log, or it was changed. %s",
		h.Position, at.ID, path, h.At.Format(time.RFC3339), h.Event, remedyForAnotherStore)
}

// readLog reads the newest entry of the audit log, and the one at a position; the zero one where there is none, and at
// position 0.
func readLog(ctx context.Context, st store.Store, position int64) (newest, at store.EventRow, err error) {
	err = st.View(ctx, func(tx store.Tx) error {
		newest, at = store.EventRow{}, store.EventRow{}
		found, err := tx.Events().Newest(access.DefaultTenant)
		switch {
		case err == nil:
			newest = found
		case access.KindOf(err) != access.KindNotFound:
			return err
		}
		if position == 0 {
			return nil
		}
		rows, err := tx.Events().List(access.DefaultTenant, store.EventFilter{}, position-1, 1)
		if len(rows) > 0 {
			at = rows[0]
		}
		return err
	})
	return newest, at, err
}

// begin writes the head, and from then on whenever the log or its tree has grown. Nothing waits for that: a node that dies
// has a head that is a little behind.
func (f *headFile) begin(ctx context.Context, st store.Store, newest newestCheckpoint) error {
	f.newest = newest
	written, err := f.renew(ctx, st, headState{})
	if err != nil {
		return err
	}
	ctx, f.end = context.WithCancel(context.WithoutCancel(ctx))
	f.kept = make(chan struct{})
	go func() {
		defer close(f.kept)
		f.keep(ctx, st, written)
	}()
	return nil
}

// close writes the head for the last time, if somebody keeps it.
func (f *headFile) close() {
	if f.end != nil {
		f.end()
		<-f.kept
	}
}

func (f *headFile) keep(ctx context.Context, st store.Store, written headState) {
	ticker := time.NewTicker(headInterval)
	defer ticker.Stop()
	failing := false
	for going := true; going; {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			going = false
		}
		now, err := f.renew(context.WithoutCancel(ctx), st, written)
		if err != nil && !failing {
			f.log.ErrorContext(ctx, "the head of the audit log is not kept", "error", err)
		}
		written, failing = now, err != nil
	}
}

// headState is what a head says of the log: how far it has come, and the newest checkpoint.
type headState struct {
	position   int64
	checkpoint string
}

// newestCheckpoint finds the newest checkpoint, held against all that this node knows of the log.
type newestCheckpoint func(context.Context) (store.LogHead, error)

// renew writes the head if the log or its tree has grown beyond what was written. While the newest checkpoint is not what it
// should be, the one that was right before is kept.
func (f *headFile) renew(ctx context.Context, st store.Store, written headState) (headState, error) {
	newest, _, err := readLog(ctx, st, 0)
	if err != nil {
		return written, err
	}
	if head, err := f.newest(ctx); err == nil {
		f.checkpoint = head.Checkpoint
	}
	now := headState{newest.Position, string(f.checkpoint)}
	if now == written || newest.Position == 0 {
		return written, nil
	}
	at, err := st.Now(ctx)
	if err != nil {
		return written, err
	}
	if err := f.write(newest, f.checkpoint, at); err != nil {
		return written, err
	}
	return now, nil
}
