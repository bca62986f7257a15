package connectortest

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
)

func credentialCases() []Case {
	return []Case{
		{Name: "without a recipient nothing is issued", needs: []Capability{ownObject, credentials}, run: noRecipientNoCredential},
		{Name: "the credential issued last counts, alone", needs: []Capability{ownObject, credentials}, run: lastCredentialCounts},
		{Name: "no secret in plans, reads and lists", needs: []Capability{ownObject, credentials}, run: noSecretLeaks},
	}
}

func noRecipientNoCredential(l *law) {
	o := l.order(l.h.Entitlement)
	recipient := o.Recipient
	o.Recipient = nil
	g := l.give(o)
	l.wantState(g, connector.Present, "after a Grant without a recipient")

	o = l.again(o)
	o.Recipient = recipient
	l.login(l.grant(o, g.plan), "after a Grant with a recipient")
}

func lastCredentialCounts(l *law) {
	first := l.give(l.order(l.h.Entitlement))
	l.login(first, "with the first credential")
	o := l.again(first.order)
	o.Recipient = l.recipient()
	second := l.grant(o, first.plan)
	l.login(second, "with the credential of a second recipient")
	l.wantRefused(o.Entitlement, first.credential(), "with the first credential, after a second recipient got theirs")

	o = l.again(o)
	o.Recipient = nil
	l.grant(o, first.plan)
	l.login(second, "after a repeated Grant that asked for no credential")
	l.wantListed(o.Mark, 1, "after three Grants")
}

func noSecretLeaks(l *law) {
	g := l.give(l.order(l.h.Entitlement))
	secret := g.credential().Password
	if secret == "" {
		secret = g.credential().URI
	}
	if len(secret) < 16 {
		l.Fatalf("the credential's secret has only %d characters", len(secret))
	}
	clean := func(what string, v any) {
		l.Helper()
		// Both forms, because JSON writes some characters of a secret in another way.
		b, err := json.Marshal(v)
		if err != nil {
			l.Fatal(err)
		}
		if strings.Contains(string(b), secret) || strings.Contains(fmt.Sprintf("%+v", v), secret) {
			l.Errorf("%s holds the secret", what)
		}
	}
	clean("the plan", string(g.plan.Body))
	if g.outcome.Plan != nil {
		clean("the refined plan", string(g.outcome.Plan.Body))
	}
	replanned, err := l.d.Prepare(l.ctx(), l.again(g.order))
	if err == nil {
		clean("a plan made after Grant", string(replanned.Body))
	}
	clean("what Observe read", l.observe(g))
	clean("what List found", l.list(g.order.Mark))
	clean("what Revoke says", l.revoke(g))

	late := l.again(g.order)
	late.ActBy = l.now().Add(-actWithin)
	for _, call := range []connector.Call{connector.CallGrant, connector.CallExtend} {
		if err := invoke(l.ctx(), l.d, call, late, g.plan); err != nil {
			clean("the error of "+string(call), err.Error()+access.SafeMessage(err))
		}
	}
}
