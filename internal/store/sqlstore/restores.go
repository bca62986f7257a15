package sqlstore

import (
	"slices"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// restores implements store.Restores.
type restores struct{ tx *tx }

const insertRestore = `
	INSERT INTO restores (tenant, at, taken_at, kept_position, kept_event, lost_position, lost_event, void_tokens, mac, key_generation)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING`

func restoreValues(r store.Restore) []any {
	void := []byte{}
	for _, token := range r.VoidTokens {
		void = append(void, token[:]...)
	}
	return []any{
		string(r.Tenant), micros(r.At), micros(r.TakenAt), r.Kept.Position, string(r.Kept.Event), r.Lost.Position, string(r.Lost.Event),
		bytesOrNull(void), r.MAC, r.KeyGeneration,
	}
}

func (s restores) Insert(r store.Restore) error {
	return s.tx.insert(alreadyThere("restore of tenant", string(r.Tenant)), insertRestore, restoreValues(r)...)
}

func (s restores) List(tenant access.TenantID) ([]store.Restore, error) {
	return queryAll(s.tx, scanRestore, `
		SELECT tenant, at, taken_at, kept_position, kept_event, lost_position, lost_event, void_tokens, mac, key_generation, settled_at
		FROM restores WHERE tenant = $1 ORDER BY at`, tenant)
}

func (s restores) Settle(tenant access.TenantID, at, settled time.Time) error {
	n, err := s.tx.exec(`UPDATE restores SET settled_at = $3 WHERE tenant = $1 AND at = $2 AND settled_at IS NULL`,
		tenant, micros(at), micros(settled))
	if err == nil && n == 0 {
		return movedOn("restore of tenant", string(tenant))
	}
	return err
}

func scanRestore(row row) (r store.Restore, err error) {
	var void []byte
	err = row.Scan(&r.Tenant, timeColumn{&r.At}, timeColumn{&r.TakenAt}, &r.Kept.Position, &r.Kept.Event, &r.Lost.Position, &r.Lost.Event,
		&void, &r.MAC, countColumn{&r.KeyGeneration}, timeColumn{&r.SettledAt})
	for token := range slices.Chunk(void, store.TokenMACBytes) {
		r.VoidTokens = append(r.VoidTokens, store.TokenMAC(token))
	}
	return r, err
}
