package server

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/config"
	"github.com/curfewhq/curfew/internal/secret"
	"github.com/curfewhq/curfew/internal/secret/localfile"
	"github.com/curfewhq/curfew/internal/store"
	"github.com/curfewhq/curfew/internal/store/sqlstore"
)

// Restore makes a store of a backup where the configuration says that the store is, and says on out how far it is. The
// place is empty; the key file is the one that belongs to the backup. The bearer tokens of the configuration are void from
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
	defer func() { _ = b.Close() }()
	sealer, err := openBackupKeys(ctx, b, c.Server.KeyFile)
	if err != nil {
		return err
	}
	newest, err := b.Newest(ctx, access.DefaultTenant)
	if err != nil {
		return err
	}
	note := store.Restore{
		Tenant: access.DefaultTenant, At: time.Now().UTC().Truncate(time.Microsecond), TakenAt: b.TakenAt(),
		Kept: store.Place{Position: newest.Position, Event: newest.ID},
	}
	if note.VoidTokens, err = tokenMACs(c, sealer); err != nil {
		return err
	}
	note.MAC = restoreMAC(sealer, note)
	if at.URL != "" {
		err = b.RestorePostgres(ctx, at.URL, note, saying(out))
	} else {
		err = b.RestoreSQLite(ctx, at.Path, note, saying(out))
	}
	if err != nil {
		return err
	}
	return sayRestored(out, note)
}

func sayRestored(out io.Writer, note store.Restore) error {
	taken := ""
	if !note.TakenAt.IsZero() {
		taken = " as of " + note.TakenAt.Format(time.RFC3339)
	}
	_, err := fmt.Fprintf(out, "The store is restored%s, up to position %d of the audit log.\n"+
		"%d bearer tokens are void: give everybody a new one in the configuration before the server starts.\n"+
		"When it starts, it takes back every grant that was live, and lets the requests lapse that waited.\n",
		taken, note.Kept.Position, len(note.VoidTokens))
	return err
}

// openBackupKeys opens every key in the backup with the key file, so that one that does not fit is found before anything
// is changed.
func openBackupKeys(ctx context.Context, b *sqlstore.Backup, keyFile string) (*secret.Sealer, error) {
	keys, err := b.Keys(ctx)
	if err != nil {
		return nil, err
	}
	wrapper, err := localfile.Open(keyFile)
	if err != nil {
		return nil, err
	}
	sealers := map[access.TenantID]*secret.Sealer{}
	for tenant, wrapped := range keys {
		if sealers[tenant], err = secret.OpenSealer(ctx, wrapper, tenant, wrapped); err != nil {
			return nil, fmt.Errorf("the key file %s and the backup do not belong together: %w", keyFile, err)
		}
	}
	sealer, ok := sealers[access.DefaultTenant]
	if !ok {
		return nil, access.Errorf(access.KindMisconfigured, "the backup is of a store that no server has ever used: there is nothing to restore")
	}
	return sealer, nil
}

// restoreMAC binds what is noted of a restore to the tenant's key.
func restoreMAC(s *secret.Sealer, r store.Restore) []byte {
	parts := []string{
		strconv.FormatInt(access.Micros(r.At), 10), strconv.FormatInt(access.Micros(r.TakenAt), 10),
		strconv.FormatInt(r.Kept.Position, 10), string(r.Kept.Event), strconv.FormatInt(r.Lost.Position, 10), string(r.Lost.Event),
	}
	for _, token := range r.VoidTokens {
		parts = append(parts, hex.EncodeToString(token[:]))
	}
	return s.MAC("restore", parts...)
}

// tokenMAC is how the store remembers a token: who has the store and not the key cannot try guesses on it.
func tokenMAC(s *secret.Sealer, token string) store.TokenMAC {
	sum := sha256.Sum256([]byte(token))
	return store.TokenMAC(s.MAC("bearer token", string(sum[:])))
}

// tokenMACs are those of every token in the configuration.
func tokenMACs(c *config.Config, s *secret.Sealer) (list []store.TokenMAC, err error) {
	for _, p := range c.Principals {
		if p.Token == "" {
			continue
		}
		token, err := p.Token.Resolve()
		if err != nil {
			return nil, fmt.Errorf("the token of %s: %w", p.ID, err)
		}
		list = append(list, tokenMAC(s, token))
	}
	return list, nil
}

// readRestores reads what is noted of the restores of the store, and refuses what was not noted by a holder of the key.
func readRestores(ctx context.Context, st store.Store, s *secret.Sealer) (list []store.Restore, err error) {
	err = st.View(ctx, func(tx store.Tx) error {
		list, err = tx.Restores().List(access.DefaultTenant)
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, r := range list {
		if subtle.ConstantTimeCompare(r.MAC, restoreMAC(s, r)) != 1 {
			return nil, access.Errorf(access.KindMisconfigured,
				"what the store says of its restore at %s was not written by curfewd: somebody has changed the store", r.At.Format(time.RFC3339))
		}
	}
	return list, nil
}

// voidTokens reports of a token whether a restore has made it void. What is looked up is a MAC, so the time that it takes
// tells nothing about a token.
func voidTokens(s *secret.Sealer, restores []store.Restore) func(token string) bool {
	void := map[store.TokenMAC]bool{}
	for _, r := range restores {
		for _, token := range r.VoidTokens {
			void[token] = true
		}
	}
	return func(token string) bool { return void[tokenMAC(s, token)] }
}

// recover draws the consequences of a restore, and says what the operator must still do.
func (s *Server) recover(ctx context.Context, restores []store.Restore) error {
	if len(restores) == 0 {
		return nil
	}
	last, void := restores[len(restores)-1], s.opened.Load().directory.VoidTokens()
	s.telemetry.Restored(last.At, void)
	if last.SettledAt.IsZero() {
		s.log.WarnContext(ctx, "the store was restored from a backup: what was live is taken back, what waited lapses", "restored_at", last.At,
			"taken_at", last.TakenAt, "position", last.Kept.Position)
	}
	if void > 0 {
		s.log.WarnContext(ctx, "tokens in the configuration are void since the store was restored: give their holders new ones", "tokens", void,
			"restored_at", last.At)
	}
	if err := s.engine.Recover(ctx); err != nil {
		return fmt.Errorf("taking back what was live when the backup was taken: %w", err)
	}
	return nil
}
