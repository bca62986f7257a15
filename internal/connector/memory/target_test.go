package memory

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
)

func testOrder(target *Target, grant string) connector.Order {
	now := target.clock.Now()
	return connector.Order{
		Grant: access.GrantID(grant), Attempt: 1, ActBy: now.Add(time.Minute), Mark: access.Mark("mark of " + grant),
		Entitlement: orders("read"), Recipient: []byte("somebody"), Start: now, Deadline: now.Add(time.Hour),
	}
}

func give(t *testing.T, d connector.Driver, o connector.Order) (access.Plan, access.Credential) {
	t.Helper()
	p, err := d.Prepare(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	out, err := d.Grant(t.Context(), o, p)
	if err != nil {
		t.Fatal(err)
	}
	return p, *out.Credential
}

// TestAnothersAccountOfTheSameName shows that the mark, and not the name, says whose an account is.
func TestAnothersAccountOfTheSameName(t *testing.T) {
	target := newTestTarget()
	d := target.Driver(target.clock)
	o := testOrder(target, "gr_1")
	p, err := d.Prepare(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if err := target.AddAccount(Account{Name: "curfew-gr_1", Mark: "another's"}, ""); err != nil {
		t.Fatal(err)
	}
	before := target.Snapshot()
	if _, err := d.Grant(t.Context(), o, p); access.KindOf(err) != access.KindConflict {
		t.Errorf("Grant: %v", err)
	}
	if _, err := d.Revoke(t.Context(), o, p); err != nil {
		t.Errorf("Revoke: %v", err)
	}
	if presence, err := d.Observe(t.Context(), o, p); err != nil || presence.State() != connector.Absent {
		t.Errorf("Observe: %+v, %v", presence, err)
	}
	if after := target.Snapshot(); after != before {
		t.Errorf("the account of another changed:\n%s", after)
	}
}

func TestPlansOfOthersAreRefused(t *testing.T) {
	target := newTestTarget()
	d := target.Driver(target.clock)
	o := testOrder(target, "gr_1")
	for _, body := range []string{``, `{}`, `[]`, `{"account":"curfew"}`, `{"account":7}`} {
		p := access.Plan{Body: json.RawMessage(body)}
		_, granting := d.Grant(t.Context(), o, p)
		_, revoking := d.Revoke(t.Context(), o, p)
		_, observing := d.Observe(t.Context(), o, p)
		for _, err := range []error{granting, revoking, observing, d.Extend(t.Context(), o, p)} {
			if access.KindOf(err) != access.KindInvalid {
				t.Errorf("plan %q: %v", body, err)
			}
		}
	}
}

func TestWhatATestCanDoBehindCurfewsBack(t *testing.T) {
	target := newTestTarget()
	d := target.Driver(target.clock)
	o := testOrder(target, "gr_1")
	p, c := give(t, d, o)
	s, err := target.Login(c.Username, c.Password)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.MakeObject("report"); err != nil {
		t.Fatal(err)
	}
	target.LockObjects(true)
	removal, err := d.Revoke(t.Context(), o, p)
	if err != nil || removal.SessionsEnded != 1 || removal.Housekeeping == "" {
		t.Errorf("Revoke with locked objects: %+v, %v", removal, err)
	}
	if presence, err := d.Observe(t.Context(), o, p); err != nil || presence.State() != connector.Absent {
		t.Errorf("Observe with locked objects: %+v, %v", presence, err)
	}
	if left, err := d.Tidy(t.Context(), o, p); err != nil || left == "" {
		t.Errorf("Tidy with locked objects: %q, %v", left, err)
	}
	target.LockObjects(false)
	if left, err := d.Tidy(t.Context(), o, p); err != nil || left != "" {
		t.Errorf("Tidy once they are unlocked: %q, %v", left, err)
	}
	if !strings.Contains(target.Snapshot(), `objects of "owner": ["report"]`) {
		t.Errorf("nobody inherited the object:\n%s", target.Snapshot())
	}

	give(t, d, testOrder(target, "gr_2"))
	if !target.RemoveAccount("curfew-gr_2") || target.RemoveAccount("curfew-gr_2") {
		t.Error("RemoveAccount does not say whether the account was there")
	}
	if err := target.AddAccount(Account{Name: "standing"}, ""); err == nil {
		t.Error("an account was added twice")
	}
	names := []string{}
	for _, a := range target.Accounts() {
		names = append(names, a.Name)
	}
	if got := fmt.Sprint(names); got != "[alice curfew standing]" {
		t.Errorf("accounts %s", got)
	}
}

// TestSameRandomnessSameRun is what a simulation relies on.
func TestSameRandomnessSameRun(t *testing.T) {
	run := func(random []byte) string {
		target := NewTarget(Options{
			Clock:     &handClock{now: time.Unix(0, 0)},
			Random:    bytes.NewReader(random),
			Resources: []access.Resource{{Name: "orders", Permissions: []string{"read"}}},
		})
		d := target.Driver(target.clock)
		var log strings.Builder
		for i := range 3 {
			_, c := give(t, d, testOrder(target, fmt.Sprintf("gr_%d", i)))
			fmt.Fprintln(&log, c.Username, c.Password)
		}
		for f := range d.List(t.Context()) {
			fmt.Fprintln(&log, f)
		}
		return log.String() + target.Snapshot()
	}
	random := bytes.Repeat([]byte("not so random"), 20)
	if a, b := run(random), run(random); a != b {
		t.Errorf("two runs differ:\n%s\n%s", a, b)
	}
}

func TestNoRandomnessNoCredential(t *testing.T) {
	target := newTestTarget()
	target.random = bytes.NewReader(nil)
	d := target.Driver(target.clock)
	o := testOrder(target, "gr_1")
	p, err := d.Prepare(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if out, err := d.Grant(t.Context(), o, p); err == nil || out.Credential != nil {
		t.Errorf("a credential without randomness: %v", err)
	}
}

func TestFaultsStrikeAsOftenAsTheyWereTold(t *testing.T) {
	target := newTestTarget()
	d := target.Driver(target.clock)
	boom := access.Errorf(access.KindExhausted, "Too many accounts.")
	reached, disarm := target.Inject(Fault{Call: connector.CallCheck, Moment: AfterEffect, Err: boom, Times: 2})
	for i := range 3 {
		_, err := d.Check(t.Context())
		if want := i < 2; errors.Is(err, boom) != want {
			t.Errorf("call %d: %v", i, err)
		}
	}
	<-reached
	disarm()
	disarm()
}

func TestConfig(t *testing.T) {
	tests := []struct {
		name, config, want string
	}{
		{"good", `{"resources": {"orders": ["read", "write"]}}`, ""},
		{"empty", `{}`, ""},
		{"no permission", `{"resources": {"orders": []}}`, "resources.orders: name at least one permission"},
		{"hostile resource", `{"resources": {"a\nb": ["read"]}}`, "unprintable character U+000A"},
		{"hostile permission", `{"resources": {"orders": ["re:ad"]}}`, `its permission wants`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := Type().New()
			if err := json.Unmarshal([]byte(tt.config), c); err != nil {
				t.Fatal(err)
			}
			err := c.Validate()
			var field *connector.FieldError
			if tt.want == "" && err != nil || tt.want != "" && (!errors.As(err, &field) || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
		})
	}
}

func TestTypesShareATargetOnlyWhenTold(t *testing.T) {
	env := connector.Env{Name: "orders-db", Clock: access.SystemClock{}}
	open := func(typ connector.Type) connector.Driver {
		c := typ.New()
		c.(*Config).Resources = map[string][]string{"orders": {"read"}}
		d, err := c.Open(env)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	listed := func(d connector.Driver) (n int) {
		for range d.List(t.Context()) {
			n++
		}
		return n
	}
	target := newTestTarget()
	give(t, open(target.Type()), testOrder(target, "gr_1"))
	if n := listed(open(target.Type())); n != 1 {
		t.Errorf("another driver on the target lists %d accounts, want 1", n)
	}
	if n := listed(open(Type())); n != 0 {
		t.Errorf("a driver on a target of its own lists %d accounts, want 0", n)
	}
}

// BenchmarkGrantAndRevoke shows that a large target is no slower than a small one.
func BenchmarkGrantAndRevoke(b *testing.B) {
	for _, n := range []int{0, 200_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			target := newTestTarget()
			d := target.Driver(target.clock)
			grant := func(i int) (connector.Order, access.Plan) {
				o := testOrder(target, fmt.Sprintf("gr_%d", i))
				p, err := d.Prepare(b.Context(), o)
				if err == nil {
					_, err = d.Grant(b.Context(), o, p)
				}
				if err != nil {
					b.Fatal(err)
				}
				return o, p
			}
			for i := range n {
				grant(i)
			}
			for b.Loop() {
				o, p := grant(n)
				if _, err := d.Revoke(b.Context(), o, p); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
