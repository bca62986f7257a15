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

// restoreMAC binds what is noted of a restore to the generation of the tenant's keys that it names.
func restoreMAC(s *secret.Sealer, r store.Restore) ([]byte, error) {
	parts := []string{
		strconv.FormatInt(access.Micros(r.At), 10), strconv.FormatInt(access.Micros(r.TakenAt), 10),
		strconv.FormatInt(r.Kept.Position, 10), string(r.Kept.Event), strconv.FormatInt(r.Lost.Position, 10), string(r.Lost.Event),
	}
	for _, token := range r.VoidTokens {
		parts = append(parts, hex.EncodeToString(token[:]))
	}
	return s.MACUnder(r.KeyGeneration, "restore", parts...)
}

// tokenMAC is how the store remembers a token: who has the store and not the key cannot try guesses on it.
func tokenMAC(s *secret.Sealer, generation int, token string) (store.TokenMAC, error) {
	sum := sha256.Sum256([]byte(token))
	mac, err := s.MACUnder(generation, "bearer token", string(sum[:]))
	if err != nil {
		return store.TokenMAC{}, err
	}
	return store.TokenMAC(mac), nil
}

// tokenMACs are those of every token in the configuration.
func tokenMACs(c *config.Config, s *secret.Sealer, generation int) (list []store.TokenMAC, err error) {
	for _, p := range c.Principals {
		if p.Token == "" {
			continue
		}
		token, err := p.Token.Resolve()
		if err != nil {
			return nil, fmt.Errorf("the token of %s: %w", p.ID, err)
		}
		mac, err := tokenMAC(s, generation, token)
		if err != nil {
			return nil, err
		}
		list = append(list, mac)
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
		mac, err := restoreMAC(s, r)
		if err != nil || subtle.ConstantTimeCompare(r.MAC, mac) != 1 {
			return nil, access.Errorf(access.KindMisconfigured,
				"what the store says of its restore at %s was not written by curfewd: somebody has changed the store", r.At.Format(time.RFC3339))
		}
	}
	return list, nil
}

// voidTokens reports of a token whether a restore has made it void. What is looked up is a MAC, so the time that it takes
// tells nothing about a token.
func voidTokens(s *secret.Sealer, restores []store.Restore) func(token string) bool {
	// By generation of the keys, which are kept as long as a restore was noted under them.
	void := map[int]map[store.TokenMAC]bool{}
	for _, r := range restores {
		for _, token := range r.VoidTokens {
			if void[r.KeyGeneration] == nil {
				void[r.KeyGeneration] = map[store.TokenMAC]bool{}
			}
			void[r.KeyGeneration][token] = true
		}
	}
	return func(token string) bool {
		for generation, macs := range void {
			// What cannot be told is not let in.
			if mac, err := tokenMAC(s, generation, token); err != nil || macs[mac] {
				return true
			}
		}
		return false
	}
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
