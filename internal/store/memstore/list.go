package memstore

import (
	"cmp"
	"slices"
	"strings"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

func clampLimit(limit int) int { return min(max(limit, 1), 1000) }

// list reads a page of a table, newest first by ID. A cursor is the name of the list and the last ID that was read; since
// nothing listed is ever deleted, one that names no row is not ours.
func list[V any](rows map[key]V, name string, tenant access.TenantID, page store.Page, selects func(V) bool) (
	items []V, next string, err error,
) {
	before, genuine := strings.CutPrefix(page.After, name+":")
	if _, there := rows[key{tenant, before}]; page.After != "" && (!genuine || !there) {
		return nil, "", access.Errorf(access.KindInvalid, "This is not a cursor of this list; use the \"next\" of the page before.")
	}
	var ids []string
	for k, v := range rows {
		if k.tenant == tenant && (page.After == "" || k.id < before) && selects(v) {
			ids = append(ids, k.id)
		}
	}
	slices.SortFunc(ids, func(a, b string) int { return cmp.Compare(b, a) })
	if limit := clampLimit(page.Limit); len(ids) > limit {
		ids = ids[:limit]
		next = name + ":" + ids[limit-1]
	}
	for _, id := range ids {
		items = append(items, rows[key{tenant, id}])
	}
	return items, next, nil
}
