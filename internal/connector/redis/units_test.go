package redis

import "testing"

// A reader sees itself only by its own number and its own name.
func TestSessionsOf(t *testing.T) {
	const list = "id=7 addr=127.0.0.1:1 name= user=curfew cmd=exec\nid=8 addr=127.0.0.1:2 name=user user=alice cmd=get\nid=9 user=alice\n"
	for _, c := range []struct {
		own    int64
		reader string
		sees   bool
	}{{7, "curfew", true}, {8, "curfew", false}, {7, "alice", false}, {70, "curfew", false}} {
		s := sessionsOf(list, c.own, c.reader)
		if s.seesOwn != c.sees || s.of["alice"] != 2 || s.of["curfew"] != 1 {
			t.Errorf("as %s with number %d: %+v, want to see itself: %t", c.reader, c.own, s, c.sees)
		}
	}
}

// A selector that gives something is no mark, and Grant takes away what somebody has added to a user.
func TestSelectors(t *testing.T) {
	p := start(t)
	d := p.open(t)
	o := order("read", "selectors")
	plan, _ := give(t, d, o)
	v, err := decodePlan(plan)
	if err != nil {
		t.Fatal(err)
	}
	granted := p.do(t, "ACL GETUSER "+v.User)
	p.do(t, "ACL SETUSER "+v.User+" (~other:*)")
	o.Attempt++
	o.Recipient = nil
	if _, err := d.Grant(t.Context(), o, plan); err != nil {
		t.Fatal(err)
	}
	u, ok := userOf(granted)
	again, _ := userOf(p.do(t, "ACL GETUSER "+v.User))
	if !ok || len(u.labels) != 1 || len(again.labels) != 1 || again.mark() != o.Mark {
		t.Errorf("the labels are %q, and after another Grant %q", u.labels, again.labels)
	}
	giving, ok := userOf([]any{"selectors", []any{[]any{"commands", "-@all +get", "keys", "~curfew:x", "channels", ""}}})
	if !ok || giving.mark() != "" {
		t.Errorf("what gives something is the mark %q", giving.mark())
	}
}
