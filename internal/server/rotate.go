package server

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/config"
	"github.com/curfewhq/curfew/internal/engine"
	"github.com/curfewhq/curfew/internal/secret"
	"github.com/curfewhq/curfew/internal/store"
	"github.com/curfewhq/curfew/internal/store/sqlstore"
)

const (
	// keysTick is how often a rotation is looked at that others carry out.
	keysTick = time.Second
	// countLimit bounds what is counted of what needs a generation of the keys; there it means "at least".
	countLimit = 1_000_000
)

// Keys are those of a store, beside the servers that run on it.
type Keys struct {
	store  store.Store
	engine *engine.Engine
	sealer *secret.Sealer
	owner  secret.Owner
	holder string
	// others says that another process has the store to itself, so that it alone seals anew.
	others bool
}

// OpenKeys opens the keys of the configured store, whether or not servers run on it. The caller closes them.
func OpenKeys(ctx context.Context, c *config.Config) (_ *Keys, err error) {
	k := &Keys{holder: engine.UUIDs{}.New("keys_")}
	if k.store, k.others, err = openStoreBeside(ctx, c.Store); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, k.store.Close())
		}
	}()
	_, kept, err := readKeys(ctx, k.store)
	if err != nil {
		return nil, err
	}
	if len(kept) == 0 {
		return nil, access.Errorf(access.KindMisconfigured, "the store has no keys: they are made when a server first starts on it")
	}
	if k.sealer, k.owner.Installation, err = openKeys(ctx, k.store, c.Server); err != nil {
		return nil, err
	}
	k.owner.Tenant = access.DefaultTenant
	k.engine = engine.New(engine.Config{
		Tenant: access.DefaultTenant, Installation: k.owner.Installation, Store: k.store, Sealer: k.sealer, IDs: engine.UUIDs{},
		Random: rand.Reader, Log: slog.New(slog.DiscardHandler),
	})
	return k, nil
}

// openStoreBeside opens a store that servers may run on. others is true when it is open to one of them only, beside which
// as little as possible is to be written.
func openStoreBeside(ctx context.Context, c config.Store) (st store.Store, others bool, err error) {
	at, err := c.Resolve()
	if err != nil {
		return nil, false, fmt.Errorf("the store: %w", err)
	}
	if at.URL != "" {
		st, err = sqlstore.OpenPostgres(ctx, at.URL, sqlstore.Options{})
		return st, false, err
	}
	if _, err := os.Lstat(at.Path); err != nil {
		return nil, false, fmt.Errorf("the store: %w", err)
	}
	options := sqlstore.Options{NumberEvents: true}
	st, err = sqlstore.OpenSQLite(ctx, at.Path, options)
	if access.KindOf(err) == access.KindUnavailable && err != nil {
		st, err = sqlstore.OpenSQLiteBeside(ctx, at.Path, options)
		return st, true, err
	}
	return st, false, err
}

// Close closes the store.
func (k *Keys) Close() error { return k.store.Close() }

// Status tells of every generation that is kept, the oldest first.
func (k *Keys) Status(ctx context.Context) ([]engine.KeyStatus, error) {
	return k.engine.Keys(ctx, countLimit)
}

// Rotate makes a new generation of the keys, unless a rotation is under way, and sees to it that all is sealed anew; what
// it does is said on out. When it is cut short, the servers go on, and so does the next Rotate.
func (k *Keys) Rotate(ctx context.Context, out io.Writer) error {
	generation, begun, err := k.engine.RotateKeys(ctx)
	if err != nil {
		return err
	}
	text := "Generation %d of the keys is made, and seals from now on.\n"
	if !begun {
		text = "A rotation to generation %d of the keys is under way, and goes on.\n"
	}
	if _, err := fmt.Fprintf(out, text, generation); err != nil {
		return err
	}
	if err := k.follow(ctx, generation, out); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "Everything is sealed under generation %d; the sealing keys of older ones are destroyed.\n"+
		"What verifies their marks is kept for a day longer than the last grant that bears one: curfewd keys status.\n"+
		"Take a backup now: none that was taken before has these keys.\n", generation)
	return err
}

// follow seals anew, or waits while others do, until no older generation seals.
func (k *Keys) follow(ctx context.Context, generation int, out io.Writer) error {
	tick := time.NewTicker(keysTick)
	defer tick.Stop()
	told, toldAt := -1, time.Time{}
	for {
		more, err := k.help(ctx)
		if err != nil {
			return err
		}
		if more && time.Since(toldAt) < keysTick {
			continue
		}
		left, done, err := k.left(ctx, generation)
		if err != nil || done {
			return err
		}
		if left != told {
			if _, err := fmt.Fprintf(out, "%d sealed things are left.\n", left); err != nil {
				return err
			}
		}
		if told, toldAt = left, time.Now(); more {
			continue
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return access.Wrap(access.KindOf(ctx.Err()), ctx.Err(), "the rotation was not waited for to its end; it goes on while servers run, or when this is run again")
		}
	}
}

// help takes the rotation one step on, where this process may.
func (k *Keys) help(ctx context.Context) (more bool, err error) {
	if k.others {
		return false, nil
	}
	return k.engine.KeepKeys(ctx, k.holder)
}

// left counts what older generations still seal; done is true when none of them can any more.
func (k *Keys) left(ctx context.Context, generation int) (left int, done bool, err error) {
	list, err := k.Status(ctx)
	done = true
	for _, s := range list {
		if s.Generation < generation {
			left += s.Uses.Plans + s.Uses.Configurations
			done = done && !s.Seals()
		}
	}
	return left, done && err == nil, err
}

// Rewrap wraps the same data keys with another key-encryption key, and says on out what is to be done then. A key file that
// is not there is made.
func (k *Keys) Rewrap(ctx context.Context, to config.Key, out io.Writer) error {
	if err := makeKeyFile(to); err != nil {
		return err
	}
	wrapper, err := openWrapper(to)
	if err != nil {
		return err
	}
	if err := k.engine.RewrapKeys(ctx, wrapper); err != nil {
		return err
	}
	// Read back, before anybody throws the old key away.
	if _, err := secret.OpenSealer(ctx, wrapper, k.owner, keySource(k.store)); err != nil {
		return fmt.Errorf("reading back what was wrapped anew: %w", err)
	}
	_, err = fmt.Fprintf(out, "The keys are wrapped by %q now, and were read back with it.\n"+
		"Write it as server.key in the configuration of every node, and restart them: until then they go on with the keys that they have.\n"+
		"Take a backup. Older ones open with the old key-encryption key only: keep it as long as you keep them.\n", wrapper.Name())
	return err
}
