package kubernetes

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
)

// Curfew keeps nobody's token, so it cannot try one. Before it deletes an account it has a token made that nobody is given, and uses
// it once, so that the server remembers it as it remembers the person's. When the server refuses this one, it has come to refuse
// tokens of the account. A probe has no rights: the binding is gone before it is made. It dies with the account.

const (
	// maxProbes bounds how many are held: a few megabytes.
	maxProbes = 5000
	// probeLife is for how long one is held. Its token lives a little longer, so that a refusal never is its expiry.
	probeLife = minTokenLife - time.Minute
	// probeTimeout bounds what a probe can cost a removal, and probeRest is how long none is made after one could not be. Together
	// they let a server that makes no tokens delay the removals of a batch by a tenth.
	probeTimeout = time.Second
	probeRest    = 10 * time.Second
)

// probe is what there is to try of a grant's account.
type probe struct {
	// account is the UID of the account.
	account string
	// token is empty when there is none: it could not be made, for the reason in why, or it has been refused for good.
	token string
	why   string
	// remembered is the last moment that the server can remember it by the use that was made of it.
	remembered time.Time
	// refused is when the server refused it, after that moment.
	refused time.Time
	// forget is when it is given up.
	forget time.Time
}

// probes are those of the grants that this driver has taken back, by their marks. They are safe for concurrent use.
type probes struct {
	mu    sync.Mutex
	held  map[access.Mark]probe
	swept time.Time
	rests time.Time
}

// hold holds a probe in the place of an earlier one of the same grant, if there is room. One without a token is no better than
// what is held of the same account.
func (p *probes) hold(m access.Mark, one probe, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sweep(now)
	old, replaces := p.held[m]
	if replaces && one.token == "" && old.account == one.account || !replaces && len(p.held) >= maxProbes {
		return
	}
	if p.held == nil {
		p.held = map[access.Mark]probe{}
	}
	p.held[m] = one
}

// sweep gives up those whose time is over, every minute that something is added.
func (p *probes) sweep(now time.Time) {
	if now.Sub(p.swept) < time.Minute {
		return
	}
	p.swept = now
	for mark, old := range p.held {
		if !old.forget.After(now) {
			delete(p.held, mark)
		}
	}
}

// get is the probe of a grant, if there is one.
func (p *probes) get(m access.Mark, now time.Time) (probe, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	one, ok := p.held[m]
	if ok && !one.forget.After(now) {
		delete(p.held, m)
		return probe{}, false
	}
	return one, ok
}

// refuse gives up the token of a probe that the server has come to refuse.
func (p *probes) refuse(m access.Mark, token string, at time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if one, ok := p.held[m]; ok && one.token == token {
		one.token, one.refused = "", at
		p.held[m] = one
	}
}

// rest has no probe made for a while, and resting reports whether that is so.
func (p *probes) rest(until time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rests = until
}

func (p *probes) resting(now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.rests.After(now)
}

// clear forgets all.
func (p *probes) clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.held)
}

// makeProbe makes the probe of an account that is about to be deleted. Of several accounts of a grant the last one's is kept: the
// server may remember it the longest. It never fails: without a probe the residual is waited for, and the read says so.
func (d *driver) makeProbe(ctx context.Context, v plan, a serviceAccount) {
	now := d.clock.Now()
	one := probe{account: a.Metadata.UID, forget: now.Add(probeLife)}
	if d.probes.resting(now) {
		one.why = "none is made for a while after one could not be"
	} else {
		one.token, one.why = d.newProbe(ctx, a)
	}
	one.remembered = d.clock.Now().Add(tokenCache)
	d.probes.hold(v.Mark, one, now)
}

// newProbe is a token that the server has taken once, or why there is none.
func (d *driver) newProbe(ctx context.Context, a serviceAccount) (token, why string) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	token, _, err := d.issue(ctx, a, d.clock.Now())
	taken := false
	if err == nil {
		taken, err = d.takes(ctx, token)
	}
	switch {
	case answered(err, http.StatusNotFound): // somebody else has deleted it
		return "", "its account was gone"
	case err != nil:
		d.probes.rest(d.clock.Now().Add(probeRest))
		return "", "none could be made: " + unsaid(err)
	case !taken: // then to refuse it later would prove nothing
		return "", "the server did not take it while its account was there"
	}
	return token, ""
}

// takes asks the server, with a token, whose that is. An answer that the token may not even ask that, or that there is no such
// question before Kubernetes 1.28, is one to somebody whom the server has recognised.
func (d *driver) takes(ctx context.Context, token string) (bool, error) {
	review := object{APIVersion: "authentication.k8s.io/v1", Kind: "SelfSubjectReview"}
	err := d.api.createAs(ctx, token, "/apis/authentication.k8s.io/v1/selfsubjectreviews", review)
	switch {
	case err == nil, answered(err, http.StatusForbidden), answered(err, http.StatusNotFound):
		return true, nil
	case answered(err, http.StatusUnauthorized):
		return false, nil
	}
	return false, err
}

// tryProbe asks the server whether it still takes what was issued for a grant's account, which is gone. said is for the record.
func (d *driver) tryProbe(ctx context.Context, m access.Mark) (issued connector.AtomState, said string) {
	now := d.clock.Now()
	one, ok := d.probes.get(m, now)
	switch {
	case !ok:
		return connector.Unknown, waitedOnly("there is none, as on another node, after a restart, or where no credential was made")
	case !one.refused.IsZero():
		return connector.Absent, refusedAt(one.refused)
	case one.why != "":
		return connector.Unknown, waitedOnly(one.why)
	}
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	taken, err := d.takes(ctx, one.token)
	switch {
	case err != nil:
		return connector.Unknown, waitedOnly("the server did not say whether it takes it: " + unsaid(err))
	case taken:
		return connector.Present, "; a token of the grant's ServiceAccount is still taken"
	case now.After(one.remembered): // before that, it was another server than the one that remembers
		d.probes.refuse(m, one.token, now)
	}
	return connector.Absent, refusedAt(now)
}

func refusedAt(t time.Time) string {
	return "; a token of the grant's ServiceAccount was refused at " + t.UTC().Format(time.RFC3339)
}

func waitedOnly(why string) string {
	return fmt.Sprintf("; no token of the grant's ServiceAccount was seen to be refused, only the wait of %v counts: %s", residual, why)
}

// unsaid is what an error comes to, without what the server said.
func unsaid(err error) string {
	if status := statusOf(err); status != 0 {
		return fmt.Sprintf("HTTP status %d", status)
	}
	return "no answer that can be used"
}
