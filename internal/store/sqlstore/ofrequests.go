package sqlstore

import (
	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// ofRequests reads what belongs to requests, of one table, with one statement for all of them: text ends where the
// condition that selects them comes. The order is the caller's to make: a database would have to sort as well, since it
// finds the rows request by request.
func ofRequests[T any](t *tx, scan func(row) (T, error), text string, tenant access.TenantID, requests []access.RequestID) ([]T, error) {
	switch {
	case len(requests) == 0:
		return nil, t.ready(nil)
	case len(requests) > store.MaxRequests:
		return nil, access.Errorf(access.KindInvalid, "One call reads of %d requests at most, and this one names %d.", store.MaxRequests, len(requests))
	}
	for _, id := range requests {
		// The encoder would replace what is not UTF-8.
		if err := checkText(string(id)); err != nil {
			return nil, access.Wrap(access.KindInvalid, err, "This is no identifier of a request.")
		}
	}
	ids, err := jsonText(requests)
	if err != nil {
		return nil, err
	}
	return queryAbout(t, len(requests), scan, text+`tenant = $1 AND request_id`+t.dialect.among, tenant, ids)
}
