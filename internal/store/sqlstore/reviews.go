package sqlstore

import (
	"cmp"
	"slices"

	"github.com/curfewhq/curfew/internal/access"
)

// reviews implements store.Reviews.
type reviews struct{ tx *tx }

func (r reviews) Insert(review access.Review) error {
	taken := access.Errorf(access.KindConflict, "This person has reviewed request %.128q already.", review.Request)
	return r.tx.insert(taken, `
		INSERT INTO reviews (tenant, id, request_id, reviewer_issuer, reviewer_subject, person, verdict, cap, comment,
			hash, at, delegation, in_stead_issuer, in_stead_subject)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) ON CONFLICT DO NOTHING`,
		review.Tenant, review.ID, review.Request, review.Reviewer.Issuer, review.Reviewer.Subject, review.Person,
		review.Verdict, review.Cap.Microseconds(), review.Comment, append([]byte{}, review.Hash...), micros(review.At),
		review.Delegation, review.InSteadOf.Issuer, review.InSteadOf.Subject)
}

func (r reviews) List(tenant access.TenantID, requests ...access.RequestID) ([]access.Review, error) {
	list, err := ofRequests(r.tx, scanReview, `
		SELECT tenant, id, request_id, reviewer_issuer, reviewer_subject, person, verdict, cap, comment, hash, at,
			delegation, in_stead_issuer, in_stead_subject
		FROM reviews WHERE `, tenant, requests)
	slices.SortFunc(list, func(a, b access.Review) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.ID, b.ID)) })
	return list, err
}

func scanReview(r row) (v access.Review, err error) {
	err = r.Scan(&v.Tenant, &v.ID, &v.Request, &v.Reviewer.Issuer, &v.Reviewer.Subject, &v.Person, &v.Verdict,
		durationColumn{&v.Cap}, &v.Comment, &v.Hash, timeColumn{&v.At},
		&v.Delegation, &v.InSteadOf.Issuer, &v.InSteadOf.Subject)
	return v, err
}
