package audit_test

import (
	"maps"
	"strings"
	"testing"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/audit"
)

func TestKeyChange(t *testing.T) {
	const origin = "curfew/i1/default"
	first, firstKey := newLogKey(t, origin)
	second, secondKey := newLogKey(t, origin)
	third, thirdKey := newLogKey(t, origin)
	change := func(detail map[string]string, err error) access.Event {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return access.Event{Kind: access.EventLogKeyChanged, Detail: detail}
	}
	toSecond, toThird := change(audit.NewKeyChange(origin, first, second)), change(audit.NewKeyChange(origin, second, third))
	keys := audit.NewKeys(firstKey)
	for _, ev := range []access.Event{toSecond, {Kind: access.EventGrantActive}, toThird, toSecond} {
		if err := keys.Follow(ev); err != nil {
			t.Fatal(err)
		}
	}
	if got := strings.Join(keys.List(), " "); got != firstKey+" "+secondKey+" "+thirdKey {
		t.Errorf("believed are %s", got)
	}
	// Who has only the last key believes nobody before it, and who has another nobody at all.
	late := audit.NewKeys(thirdKey)
	if err := late.Follow(toThird); err != nil || len(late.List()) != 1 {
		t.Errorf("%v, %v", late.List(), err)
	}
	// They were the log's keys all the same.
	last := audit.NewKeys(thirdKey)
	for _, ev := range []access.Event{toSecond, toThird} {
		if err := last.Follow(ev); err != nil {
			t.Fatal(err)
		}
	}
	if got := strings.Join(last.Past(), " "); got != thirdKey+" "+secondKey+" "+firstKey || len(last.List()) != 1 {
		t.Errorf("the log's keys were %s, and believed are %v", got, last.List())
	}
	for field, value := range map[string]string{"previous_key": thirdKey, "next_key": thirdKey, "previous_signature": "AAAA", "next_signature": toSecond.Detail["previous_signature"]} {
		forged := access.Event{Kind: access.EventLogKeyChanged, Detail: maps.Clone(toSecond.Detail)}
		forged.Detail[field] = value
		believed := audit.NewKeys(firstKey)
		if err := believed.Follow(forged); err == nil || len(believed.List()) != 1 {
			t.Errorf("another %s: believed are %v, %v", field, believed.List(), err)
		}
	}
}
