package mongodb

import (
	"context"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
)

func give(t testing.TB, d *driver, o connector.Order) (access.Plan, access.Credential) {
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

func wantKind(t *testing.T, err error, want access.Kind) {
	t.Helper()
	if err == nil || access.KindOf(err) != want {
		t.Errorf("the error is %v (%s), want one of kind %s", err, access.KindOf(err), want)
	}
}

func (p *peer) wantState(t *testing.T, d *driver, plan access.Plan, want connector.AtomState) {
	t.Helper()
	presence, err := d.Observe(t.Context(), connector.Order{}, plan)
	if err != nil || presence.State() != want {
		t.Errorf("Observe: %+v, %v; want %s", presence, err, want)
	}
}

// What runs when the user is dropped is ended, whether it belongs to a session or not, and until it has ended it is access.
func TestRunningOperationsEnd(t *testing.T) {
	p := start(t)
	d := p.open(t)
	for name, comment := range map[string]string{"in a session": "ordinary", "without one": "without a session"} {
		t.Run(name, func(t *testing.T) {
			plan, credential := give(t, d, order("read"))
			s, err := p.login(t.Context(), access.Entitlement{Resource: "orders"}, credential)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(s.Close)
			ended := make(chan error, 1)
			go func() {
				ended <- s.(*login).client.Database("orders").Collection("items").FindOne(context.Background(),
					bson.D{{Key: "$where", Value: "sleep(3600000)"}}, options.FindOne().SetComment(comment)).Err()
			}()
			v, err := decodePlan(plan)
			if err != nil {
				t.Fatal(err)
			}
			p.awaitActive(t, v.name())
			// Somebody else drops the user: what runs goes on.
			p.command(t, v.DB, bson.D{{Key: "dropUser", Value: v.User}})
			p.wantState(t, d, plan, connector.Present)
			r, err := d.Revoke(t.Context(), connector.Order{}, plan)
			if err != nil || r.SessionsEnded != 1 {
				t.Errorf("Revoke: %+v, %v", r, err)
			}
			if n := active(operationsOf(t, d, v.name())); n != 0 {
				t.Fatalf("%d operations still run", n)
			}
			if err := <-ended; codeOf(err) != 11601 {
				t.Errorf("the operation ended with %v", err)
			}
			p.wantState(t, d, plan, connector.Absent)
		})
	}
}

// awaitActive waits until an operation of the user's runs.
func (p *peer) awaitActive(t *testing.T, name userName) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		for _, v := range p.operations([]userName{name}) {
			if d, _ := v.(bson.D); lookup(d, "active") == true {
				return
			}
		}
		select {
		case <-tick.C:
		case <-t.Context().Done():
			t.Fatal("nothing runs")
		}
	}
}

// A user who is there by the name of a grant and is not that grant's is not touched, and proves nothing.
func TestSomebodyElsesUser(t *testing.T) {
	p := start(t)
	d := p.open(t)
	o := order("read")
	plan, err := d.Prepare(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	v, err := decodePlan(plan)
	if err != nil {
		t.Fatal(err)
	}
	p.makeUser(t, v.User, "another mark")
	before := p.snapshot(t)
	_, err = d.Grant(t.Context(), o, plan)
	wantKind(t, err, access.KindConflict)
	_, err = d.Revoke(t.Context(), o, plan)
	wantKind(t, err, access.KindConflict)
	if seen, err := d.Observe(t.Context(), o, plan); err != nil || seen.State() != connector.Unknown {
		t.Errorf("Observe says %s: %v", seen.State(), err)
	}
	if p.snapshot(t) != before {
		t.Error("the server has changed")
	}
}

// A user whose roles somebody has changed is made anew with those of the plan.
func TestChangedRoles(t *testing.T) {
	p := start(t)
	d := p.open(t)
	o := order("read")
	plan, _ := give(t, d, o)
	v, err := decodePlan(plan)
	if err != nil {
		t.Fatal(err)
	}
	p.mu.Lock()
	u := p.users[v.name()]
	u.roles = []Role{{"readWrite", "orders"}}
	p.users[v.name()] = u
	p.mu.Unlock()
	if _, err := d.Grant(t.Context(), o, plan); err != nil {
		t.Fatal(err)
	}
	found, there, err := d.curfew.find(t.Context(), v.name())
	if err != nil || !there || !sameRoles(found.Roles, v.Roles) {
		t.Errorf("the user is %+v, %t, %v", found, there, err)
	}
}

// A write that most members have not confirmed may be lost, so it has not been done.
func TestUnconfirmedWrites(t *testing.T) {
	p := start(t)
	d := p.open(t)
	o := order("read")
	plan, _ := give(t, d, o)
	p.unconfirmed.Store(true)
	_, err := d.Grant(t.Context(), o, plan)
	wantKind(t, err, access.KindUnavailable)
	_, err = d.Revoke(t.Context(), o, plan)
	wantKind(t, err, access.KindUnavailable)
	p.unconfirmed.Store(false)
	if _, err := d.Revoke(t.Context(), o, plan); err != nil {
		t.Error(err)
	}
	p.wantState(t, d, plan, connector.Absent)
}

// Another replica set, at the same address, is not believed.
func TestAnotherReplicaSet(t *testing.T) {
	p := start(t)
	d := p.open(t)
	o := order("read")
	plan, _ := give(t, d, o)
	v, err := decodePlan(plan)
	if err != nil {
		t.Fatal(err)
	}
	v.Set = bson.NewObjectID().Hex()
	other, err := v.encode()
	if err != nil {
		t.Fatal(err)
	}
	_, err = d.Grant(t.Context(), o, other)
	wantKind(t, err, access.KindMisconfigured)
	_, err = d.Observe(t.Context(), o, other)
	wantKind(t, err, access.KindMisconfigured)
	p.wantState(t, d, plan, connector.Present)
}

// What is no replica set is refused: there is no majority that could confirm anything, and no identity.
func TestStandalone(t *testing.T) {
	p := start(t)
	p.standalone.Store(true)
	d := p.open(t)
	_, err := d.Check(t.Context())
	wantKind(t, err, access.KindMisconfigured)
	_, err = d.Prepare(t.Context(), order("read"))
	wantKind(t, err, access.KindMisconfigured)
}

// Who is no primary any more may not know of a user that the new one has: it is not believed.
func TestDeposedPrimary(t *testing.T) {
	p := start(t)
	d := p.open(t)
	plan, _ := give(t, d, order("read"))
	if _, err := d.Revoke(t.Context(), connector.Order{}, plan); err != nil {
		t.Fatal(err)
	}
	p.deposed.Store(true)
	if presence, err := d.Observe(t.Context(), connector.Order{}, plan); err == nil {
		t.Errorf("Observe: %+v", presence)
	}
}

// What others run goes on when a grant is taken back.
func TestOthersOperationsGoOn(t *testing.T) {
	p := start(t)
	d := p.open(t)
	first, _ := give(t, d, order("read"))
	second, credential := give(t, d, order("read"))
	s, err := p.login(t.Context(), access.Entitlement{Resource: "orders"}, credential)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	ended := make(chan error, 1)
	go func() {
		ended <- s.(*login).client.Database("orders").Collection("items").FindOne(context.Background(), bson.D{{Key: "$where", Value: "sleep(3600000)"}}).Err()
	}()
	v, err := decodePlan(second)
	if err != nil {
		t.Fatal(err)
	}
	p.awaitActive(t, v.name())
	if _, err := d.Revoke(t.Context(), connector.Order{}, first); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		t.Fatalf("it was ended: %v", err)
	default:
	}
	if n := active(operationsOf(t, d, v.name())); n != 1 {
		t.Errorf("%d operations of the other user run", n)
	}
	if _, err := d.Revoke(t.Context(), connector.Order{}, second); err != nil {
		t.Error(err)
	}
	<-ended
}

func operationsOf(t *testing.T, d *driver, name userName) []operation {
	t.Helper()
	all, err := d.observer.operations(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return all
}
