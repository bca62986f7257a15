package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/policy"
)

// measureDecisions is number 11. Its limit is the evaluation of one condition: a decision over one policy.
func measureDecisions(ctx context.Context, s settings) ([]figure, error) {
	many, err := policy.Compile(manyPolicies())
	if err != nil {
		return nil, err
	}
	one, err := policy.Compile(manyPolicies()[12:13])
	if err != nil {
		return nil, err
	}
	in := policy.Input{
		Now: time.Now(), Duration: time.Hour, Reason: "look at order 17",
		Principal: access.Principal{
			ID: access.PrincipalID{Issuer: access.StaticIssuer, Subject: "alice"}, Kind: access.Human, Person: "alice",
			Groups: []string{"static/team-11", "static/team-12", "static/team-13"},
		},
		Targets: []policy.Target{{
			Entitlement: access.Entitlement{Connector: "db-12", Resource: "shop-3/orders", Permission: "read"},
			Labels:      map[string]string{"env": "prod"},
		}},
	}
	for _, set := range []*policy.Set{many, one} {
		if d := set.Decide(in); d.Verdict != policy.VerdictAuto {
			return nil, fmt.Errorf("the decision is %s: %s", d.Verdict, d.Why)
		}
	}
	decide := func(set *policy.Set) side {
		return func(ctx context.Context, d time.Duration) (sample, error) {
			return load(ctx, 1, d, []int{os.Getpid()}, func(context.Context, int) error { set.Decide(in); return nil })
		}
	}
	rounds, err := paired(ctx, s, decide(many), decide(one))
	if err != nil {
		return nil, err
	}
	figures := compared(rounds, "")
	figures[0] = figures[0].wants("≤ 50 µs")
	list, err := measureList(ctx, s)
	return append(figures, list...), err
}

// manyPolicies are 1,000 policies of 100 teams over 100 connectors.
func manyPolicies() []policy.Policy {
	policies := make([]policy.Policy, 0, 1000)
	for i := range cap(policies) {
		policies = append(policies, policy.Policy{
			Name: fmt.Sprintf("policy-%d", i), Effect: policy.EffectAllow, Who: []string{fmt.Sprintf("group:team-%d", i%100)},
			What: []string{fmt.Sprintf("db-%d/shop-%d/*:read", i%100, i/100*10+3), fmt.Sprintf("db-%d/shop-3/*:read", i%100)},
			When: `resource.labels[?"env"].orValue("") == "prod"`, MaxDuration: time.Hour, Auto: true,
		})
	}
	return policies
}

// listed is how many entitlements the list of measureList has.
const listed = 10_000

// measureList times GET /v1/entitlements, which `curfew list` prints.
func measureList(ctx context.Context, s settings) (_ []figure, err error) {
	resources := make([]string, listed/2-1) // and orders
	for k := range resources {
		resources[k] = fmt.Sprintf("r%d: [read, write]", k)
	}
	i, err := install("{type: memory, resources: {orders: [read, write], " + strings.Join(resources, ", ") + "}}")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, i.remove()) }()
	if err := i.edit("db/orders:", "db/*:"); err != nil {
		return nil, err
	}
	server, err := i.start(ctx)
	if err != nil {
		return nil, err
	}
	who := newCaller(server.url, i.token(asker(0)))
	one := func(ctx context.Context, _ int) error {
		return who.call(ctx, http.MethodGet, "/v1/entitlements", nil, nil)
	}
	if err := one(ctx, 0); err != nil {
		return nil, errors.Join(err, server.kill())
	}
	sample, err := load(ctx, 1, s.block, []int{server.pid()}, one)
	return []figure{
		single(fmt.Sprintf("list of %d entitlements, p50", listed), "ms", milliseconds(percentile(sample.latencies, 0.5))).wants("≤ 20 ms"),
		single("its server CPU", "µs", sample.cost()),
	}, errors.Join(err, server.stop())
}
