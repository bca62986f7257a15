package server

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"strconv"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/config"
	"github.com/curfewhq/curfew/internal/secret"
	"github.com/curfewhq/curfew/internal/store"
)

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
	s.telemetry.Restored(last.At)
	s.telemetry.VoidTokens(void)
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
