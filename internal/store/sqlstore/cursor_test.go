package sqlstore

import (
	"testing"

	"github.com/curfewhq/curfew/internal/access"
)

func FuzzParseCursor(f *testing.F) {
	f.Add("")
	f.Add("x")
	f.Add(cursorAfter(grantList, "gr_01"))
	f.Add(cursorAfter(requestList, "req_01"))
	f.Add(cursorAfter(grantList, "a\x00b"))
	f.Add(cursorAfter(grantList, "\xff"))
	f.Add(cursorAfter(grantList, "gr_01") + "\n")
	f.Fuzz(func(t *testing.T, cursor string) {
		for _, l := range []list{grantList, requestList} {
			id, err := parseCursor(l, cursor)
			switch {
			case err != nil:
				if access.KindOf(err) != access.KindInvalid {
					t.Errorf("%q: %v is of kind %s", cursor, err, access.KindOf(err))
				}
			case cursor == "":
				if id != "" {
					t.Errorf("the empty cursor is after %q", id)
				}
			case id == "" || len(id) > maxIDBytes || checkText(id) != nil:
				t.Errorf("%q: accepted the ID %q", cursor, id)
			case cursorAfter(l, id) != cursor:
				t.Errorf("%q is a second spelling of %q", cursor, cursorAfter(l, id))
			}
		}
	})
}
