package sqlstore

import (
	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// decisions implements store.Decisions.
type decisions struct{ tx *tx }

func (d decisions) Append(decision store.Decision) error {
	_, err := d.tx.exec(`
		INSERT INTO decisions (tenant, request_id, sequence, at, policy_digest, input, decision)
		VALUES ($1, $2,
			(SELECT coalesce(max(sequence) + 1, 0) FROM decisions WHERE tenant = $1 AND request_id = $2),
			$3, $4, $5, $6)`,
		decision.Tenant, decision.Request, micros(decision.At), decision.PolicyDigest, decision.Input,
		decision.Decision)
	return err
}

func (d decisions) List(tenant access.TenantID, request access.RequestID) ([]store.Decision, error) {
	return queryAll(d.tx, scanDecision, `
		SELECT tenant, request_id, sequence, at, policy_digest, input, decision
		FROM decisions WHERE tenant = $1 AND request_id = $2 ORDER BY sequence`, tenant, request)
}

func (d decisions) Newest(tenant access.TenantID, requests ...access.RequestID) (map[access.RequestID][]byte, error) {
	list, err := ofRequests(d.tx, scanDecided, `
		SELECT request_id, decision FROM decisions AS d WHERE sequence = (
			SELECT max(sequence) FROM decisions WHERE tenant = d.tenant AND request_id = d.request_id) AND `, tenant, requests)
	newest := make(map[access.RequestID][]byte, len(list))
	for _, one := range list {
		newest[one.request] = one.decision
	}
	return newest, err
}

// decided is what was decided on a request.
type decided struct {
	request  access.RequestID
	decision []byte
}

func scanDecided(r row) (d decided, err error) {
	err = r.Scan((*string)(&d.request), &d.decision)
	return d, err
}

func scanDecision(r row) (d store.Decision, err error) {
	err = r.Scan((*string)(&d.Tenant), (*string)(&d.Request), countColumn{&d.Sequence}, timeColumn{&d.At}, &d.PolicyDigest, &d.Input, &d.Decision)
	return d, err
}
