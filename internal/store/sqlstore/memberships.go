package sqlstore

import (
	"slices"
	"strings"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// memberships implements store.Memberships.
type memberships struct{ tx *tx }

func (m memberships) Add(source store.Source, group string, users []string) (int, error) {
	if _, err := (provisioned)(m).Get(source, store.ProvisionedGroup, group); err != nil {
		return 0, err
	}
	list, err := userList(users)
	if err != nil {
		return 0, err
	}
	if err := absentUser(m.tx, source, list); err != nil {
		return 0, err
	}
	n, err := m.tx.exec(`
		INSERT INTO memberships (tenant, source, group_id, user_id)
		SELECT $1, $3, $4, value FROM `+m.tx.dialect.elements+` WHERE TRUE ON CONFLICT DO NOTHING`, source.Tenant, list, source.Name, group)
	return int(n), err
}

// absentUser is access.KindNotFound when one of the users in a JSON array is not there.
func absentUser(t *tx, source store.Source, list string) error {
	absent, err := queryAll(t, scanOne[string], `
		SELECT value FROM `+t.dialect.elements+` WHERE NOT EXISTS (
			SELECT 1 FROM provisioned WHERE tenant = $1 AND source = $3 AND id = value AND kind = $4) LIMIT 1`,
		source.Tenant, list, source.Name, store.ProvisionedUser)
	if err == nil && len(absent) > 0 {
		return notFound(string(store.ProvisionedUser), absent[0])
	}
	return err
}

func (m memberships) Remove(source store.Source, group string, users []string) (int, error) {
	list, err := userList(users)
	if err != nil {
		return 0, err
	}
	n, err := m.tx.exec(`DELETE FROM memberships WHERE tenant = $1 AND source = $3 AND group_id = $4 AND user_id`+m.tx.dialect.among,
		source.Tenant, list, source.Name, group)
	return int(n), err
}

func (m memberships) Members(source store.Source, group, after string, limit int) ([]string, error) {
	return queryAll(m.tx, scanOne[string],
		`SELECT user_id FROM memberships WHERE tenant = $1 AND source = $2 AND group_id = $3 AND user_id > $4 ORDER BY user_id`+limitTo("$5"),
		source.Tenant, source.Name, group, after, min(max(limit, 1), store.MaxMembers))
}

func (m memberships) Count(source store.Source, group string) (int, error) {
	return queryOne(m.tx, scanOne[int], nil,
		`SELECT count(*) FROM memberships WHERE tenant = $1 AND source = $2 AND group_id = $3`, source.Tenant, source.Name, group)
}

func (m memberships) GroupsOf(source store.Source, users ...string) (map[string][]store.GroupName, error) {
	if len(users) > store.MaxRequests {
		return nil, access.Errorf(access.KindInvalid, "One call reads of %d users at most, and this one names %d.", store.MaxRequests, len(users))
	}
	list, err := userList(users)
	if err != nil {
		return nil, err
	}
	type membership struct {
		user  string
		group store.GroupName
	}
	scan := func(r row) (v membership, err error) {
		err = r.Scan(&v.user, &v.group.ID, &v.group.Name)
		return v, err
	}
	rows, err := queryAll(m.tx, scan, `
		SELECT m.user_id, g.id, g.name FROM memberships AS m
		JOIN provisioned AS g ON g.tenant = m.tenant AND g.source = m.source AND g.id = m.group_id
		WHERE m.tenant = $1 AND m.source = $3 AND m.user_id`+m.tx.dialect.among, source.Tenant, list, source.Name)
	of := map[string][]store.GroupName{}
	for _, v := range rows {
		of[v.user] = append(of[v.user], v.group)
	}
	for _, groups := range of {
		slices.SortFunc(groups, func(a, b store.GroupName) int { return strings.Compare(a.ID, b.ID) })
	}
	return of, err
}

// staleUsers implements store.StaleUsers.
type staleUsers struct{ tx *tx }

// intoQueue follows the rows that go into the queue. Who loses something comes first.
const intoQueue = ` ON CONFLICT (tenant, source, user_id) DO UPDATE
	SET rank = CASE WHEN excluded.rank < stale_users.rank THEN excluded.rank ELSE stale_users.rank END`

// Ranks in the queue.
const (
	rankLess = 0
	rankMore = 1
)

// Add joins in this order, which SQLite keeps for a CROSS JOIN: the other way round it would read the list for each user.
func (s staleUsers) Add(source store.Source, less bool, users []string) error {
	list, err := userList(slices.Compact(slices.Sorted(slices.Values(users)))) // one row is not changed twice
	if err != nil {
		return err
	}
	rank := rankMore
	if less {
		rank = rankLess
	}
	_, err = s.tx.exec(`
		INSERT INTO stale_users (tenant, source, user_id, rank, since)
		SELECT p.tenant, p.source, p.id, CAST($4 AS BIGINT), CAST($5 AS BIGINT)
		FROM `+s.tx.dialect.elements+` CROSS JOIN provisioned AS p
		WHERE p.tenant = $1 AND p.source = $3 AND p.id = value AND p.kind = $6`+intoQueue,
		source.Tenant, list, source.Name, rank, micros(s.tx.now), store.ProvisionedUser)
	return err
}

func (s staleUsers) AddMembers(source store.Source, group string) error {
	_, err := s.tx.exec(`
		INSERT INTO stale_users (tenant, source, user_id, rank, since)
		SELECT tenant, source, user_id, CAST($4 AS BIGINT), CAST($5 AS BIGINT) FROM memberships
		WHERE tenant = $1 AND source = $2 AND group_id = $3`+intoQueue,
		source.Tenant, source.Name, group, rankLess, micros(s.tx.now))
	return err
}

func (s staleUsers) Next(source store.Source, limit int) ([]store.Stale, error) {
	scan := func(r row) (store.Stale, error) {
		v, rank := store.Stale{Source: source}, 0
		err := r.Scan(&v.User, &rank)
		v.Less = rank == rankLess
		return v, err
	}
	return queryAll(s.tx, scan,
		`SELECT user_id, rank FROM stale_users WHERE tenant = $1 AND source = $2 ORDER BY rank, since, user_id`+limitTo("$3"),
		source.Tenant, source.Name, clampLimit(limit))
}

func (s staleUsers) Remove(source store.Source, user string) error {
	_, err := s.tx.exec(`DELETE FROM stale_users WHERE tenant = $1 AND source = $2 AND user_id = $3`, source.Tenant, source.Name, user)
	return err
}
