package connector_test

import (
	"context"
	"encoding/json"
	"maps"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/connector/memory"
	"github.com/curfewhq/curfew/internal/secret"
)

func TestGrantSealsTheCredential(t *testing.T) {
	target := newTarget()
	c := newConnector(target.Driver(access.SystemClock{}))
	key := newRecipient(t)
	o := newOrder()
	o.Recipient = key.Public()
	p := prepare(t, c, o)
	out, err := c.Grant(t.Context(), o, p)
	if err != nil {
		t.Fatal(err)
	}
	if out.Credential != nil {
		t.Error("the credential came out in clear text")
	}
	binding := secret.Binding{Tenant: o.Tenant, Grant: o.Grant, Principal: o.Principal, Attempt: o.Attempt}
	plain, err := key.Open(binding, out.Sealed)
	if err != nil {
		t.Fatal(err)
	}
	var credential access.Credential
	if err := json.Unmarshal(plain, &credential); err != nil {
		t.Fatal(err)
	}
	if _, err := target.Login(credential.Username, credential.Password); err != nil {
		t.Errorf("the opened credential does not work: %v", err)
	}
	binding.Attempt++
	if _, err := key.Open(binding, out.Sealed); err == nil {
		t.Error("the credential opens under another attempt")
	}

	o.Recipient = nil
	if out, err = c.Grant(t.Context(), o, p); err != nil || out.Sealed != nil {
		t.Errorf("without a recipient: sealed %d bytes, error %v", len(out.Sealed), err)
	}
}

func TestGrantRefusesOutcomes(t *testing.T) {
	const password = "correct horse battery staple"
	some := &access.Credential{Username: "alice", Password: password}
	tests := []struct {
		name      string
		recipient bool
		outcome   func(connector.Outcome) connector.Outcome
	}{
		{"no credential", true, func(o connector.Outcome) connector.Outcome { o.Credential = nil; return o }},
		{"sealed by the driver", true, func(o connector.Outcome) connector.Outcome {
			return connector.Outcome{Sealed: []byte("sealed"), NativeExpiry: o.NativeExpiry}
		}},
		{"credential for nobody", false, func(o connector.Outcome) connector.Outcome { o.Credential = some; return o }},
		{"no native expiry", true, func(o connector.Outcome) connector.Outcome {
			return connector.Outcome{Credential: some}
		}},
		{"native expiry after the deadline", true, func(o connector.Outcome) connector.Outcome {
			return connector.Outcome{Credential: some, NativeExpiry: o.NativeExpiry.Add(time.Microsecond)}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newConnector(&counting{Driver: newTarget().Driver(access.SystemClock{}), outcome: tt.outcome})
			o := newOrder()
			if tt.recipient {
				o.Recipient = newRecipient(t).Public()
			}
			out, err := c.Grant(t.Context(), o, prepare(t, c, o))
			wantKind(t, err, access.KindInternal)
			if out.Sealed != nil || out.Credential != nil {
				t.Error("a credential came out")
			}
			if err != nil && strings.Contains(err.Error(), password) {
				t.Error("the error holds the password")
			}
		})
	}
}

func TestOrdersThatNeverReachTheDriver(t *testing.T) {
	tests := []struct {
		name   string
		change func(*connector.Order)
		want   access.Kind
	}{
		{"late", func(o *connector.Order) { o.ActBy = o.Start.Add(-time.Microsecond) }, access.KindTimeout},
		{"without a time to act by", func(o *connector.Order) { o.ActBy = time.Time{} }, access.KindInternal},
		{"without a deadline", func(o *connector.Order) { o.Deadline = time.Time{} }, access.KindInternal},
		{"to a key that is none", func(o *connector.Order) { o.Recipient = []byte("key") }, access.KindInvalid},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			target := newTarget()
			d := &counting{Driver: target.Driver(access.SystemClock{})}
			c := newConnector(d)
			o := newOrder()
			p := prepare(t, c, o)
			before := target.Snapshot()
			tt.change(&o)
			_, err := c.Grant(t.Context(), o, p)
			wantKind(t, err, tt.want)
			wantKind(t, c.Extend(t.Context(), o, p), tt.want)
			if d.grants != 0 || target.Snapshot() != before {
				t.Error("the order reached the target")
			}
		})
	}
}

func TestRevokeMindsALateOrderOnlyWhereItIsDated(t *testing.T) {
	target := newTarget()
	c := newConnector(target.Driver(access.SystemClock{}))
	o := newOrder()
	p := prepare(t, c, o)
	if _, err := c.Grant(t.Context(), o, p); err != nil {
		t.Fatal(err)
	}
	o.ActBy = o.Start.Add(-time.Second)
	_, err := c.Revoke(t.Context(), o, p)
	wantKind(t, err, access.KindTimeout)
	o.ActBy = time.Time{}
	if _, err = c.Revoke(t.Context(), o, p); err != nil {
		t.Error(err)
	}
}

func TestAnAtomThatIsNotReadIsUnknown(t *testing.T) {
	c := newConnector(newTarget().Driver(access.SystemClock{}))
	o := newOrder()
	p := prepare(t, c, o)
	p.Atoms = append(p.Atoms, access.Atom{Target: "memory", Account: "another"})
	presence, err := c.Observe(t.Context(), o, p)
	if err != nil || presence.State() != connector.Absent || len(presence.Atoms) != 2 {
		t.Errorf("both atoms read: %+v, error %v", presence, err)
	}
	c = newConnector(crooked{do: func() error { return nil }})
	if presence, err = c.Observe(t.Context(), o, p); err != nil || presence.State() != connector.Unknown {
		t.Errorf("no atom read: %+v, error %v", presence, err)
	}
	if len(presence.Atoms) != len(p.Atoms) {
		t.Errorf("%d atoms, want %d", len(presence.Atoms), len(p.Atoms))
	}
}

func TestLabelsOverlay(t *testing.T) {
	labels := map[string]string{"env": "test", "team": "payments"}
	c := newConnector(newTarget().Driver(access.SystemClock{}), func(o *connector.Options) { o.Labels = labels })
	labels["env"] = "changed by the caller"
	got := c.Labels(access.Resource{Labels: map[string]string{"env": "prod"}})
	if want := map[string]string{"env": "prod", "team": "payments"}; !maps.Equal(got, want) {
		t.Errorf("labels %v, want %v", got, want)
	}
	got["team"] = "nobody"
	if got := c.Labels(access.Resource{}); got["env"] != "test" || got["team"] != "payments" {
		t.Errorf("labels %v changed with what was handed out", got)
	}
	if got := newConnector(nil).Labels(access.Resource{}); got == nil {
		t.Error("no labels are a nil map")
	}
}

func TestCloseWaitsForCallsUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		target := newTarget()
		c := newConnector(target.Driver(access.SystemClock{}))
		o := newOrder()
		p := prepare(t, c, o)
		reached, release := target.Inject(memory.Fault{
			Call: connector.CallGrant, Moment: memory.BeforeEffect, Effect: memory.Hang,
		})
		granted := make(chan error)
		go func() {
			_, err := c.Grant(t.Context(), o, p)
			granted <- err
		}()
		<-reached
		closed := make(chan error)
		go func() { closed <- c.Close() }()
		synctest.Wait()
		for call, f := range every(c, o, p) {
			if err := f(t.Context()); access.KindOf(err) != access.KindUnavailable {
				t.Errorf("%s while closing: %v", call, err)
			}
		}
		select {
		case <-closed:
			t.Error("Close did not wait")
		default:
		}
		release()
		if err := <-granted; err != nil {
			t.Errorf("the grant under way: %v", err)
		}
		if err := <-closed; err != nil {
			t.Error(err)
		}
		if err := c.Close(); err != nil {
			t.Errorf("second Close: %v", err)
		}
	})
}

func TestCloseDoesNotWaitForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := make(chan struct{})
		c := newConnector(crooked{
			Driver: newTarget().Driver(access.SystemClock{}),
			do:     func() error { <-hang; return nil },
		})
		done := make(chan error)
		go func() { done <- lastError(c.List(context.Background())) }()
		synctest.Wait()
		start := time.Now()
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took != connector.DefaultTimeout {
			t.Errorf("Close took %v, want %v", took, connector.DefaultTimeout)
		}
		close(hang)
		<-done
	})
}
