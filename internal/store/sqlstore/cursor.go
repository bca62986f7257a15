package sqlstore

import (
	"encoding/base64"
	"strings"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// list names a list that is read in pages. Its text begins every cursor of that list, so that a cursor of another
// list, or of another version of this one, is recognised.
type list string

const (
	requestList    list = "requests.1:"
	grantList      list = "grants.1:"
	findingList    list = "findings.1:"
	freezeList     list = "freezes.1:"
	delegationList list = "delegations.1:"
	profileList    list = "profiles.1:"
	sessionList    list = "sessions.1:"
)

// Bounds of lists.
const (
	maxIDBytes     = 128
	maxCursorBytes = 256
	maxLimit       = 1000
)

// cursorAfter is the cursor of what follows the item with this ID.
func cursorAfter(l list, id string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(string(l) + id))
}

// parseCursor is the inverse of cursorAfter; the empty cursor is the start of the list, and the empty ID.
func parseCursor(l list, cursor string) (id string, err error) {
	if cursor == "" {
		return "", nil
	}
	refused := access.Errorf(access.KindInvalid, "This is not a cursor of this list; use the \"next\" of the page before.")
	if len(cursor) > maxCursorBytes {
		return "", refused
	}
	text, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return "", refused
	}
	id, ok := strings.CutPrefix(string(text), string(l))
	// The decoder skips line breaks and spare bits; a cursor has one spelling.
	if !ok || id == "" || len(id) > maxIDBytes || checkText(id) != nil || cursorAfter(l, id) != cursor {
		return "", refused
	}
	return id, nil
}

// cutPage takes the one item too many, by which a further page is known, off the items, and makes its cursor.
func cutPage[T any](items []T, limit int, l list, id func(T) string) (page []T, next string) {
	if len(items) <= limit {
		return items, ""
	}
	return items[:limit], cursorAfter(l, id(items[limit-1]))
}

// pageConditions adds what a page asks for to the conditions of its list, newest first by ID.
func pageConditions(w *where, l list, page store.Page) (limit int, err error) {
	before, err := parseCursor(l, page.After)
	if err != nil {
		return 0, err
	}
	if before != "" {
		w.and("id", "<", before)
	}
	return clampLimit(page.Limit), nil
}

func clampLimit(limit int) int { return min(max(limit, 1), maxLimit) }
