package faults

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/api/client"
	"github.com/curfewhq/curfew/internal/curfewdtest"
)

// contextFor bounds one call.
func contextFor(w *world) (context.Context, context.CancelFunc) {
	return context.WithTimeout(w.ctx, callLimit)
}

// verdict is the same after every fault. It waits until everything has come to its end by itself, but for what lasts
// long, which is given back; it stops the nodes, and then compares what people were told, the books and the target.
func (w *world) verdict() {
	w.Helper()
	w.settle()
	books := w.numbered()
	told := w.told.snapshot()
	w.Logf("%s; the books have %d requests, %d grants, %d events", told, len(books.Requests), len(books.Grants), len(books.Events))
	w.nothingLost(told, books)
	w.everythingEnded(books)
	w.logHasNoGap(books)
	w.targetIsEmpty(books)
	for _, s := range told.surprises {
		w.Errorf("an answer that no fault explains: %s", s)
	}
	for i, n := range w.nodes {
		for _, p := range n.processes {
			for _, line := range p.Unforeseen() {
				w.Errorf("node %d: nobody foresaw this: %s", i, line)
			}
		}
	}
}

// settle waits, on the last node, until no grant is left and nothing is pending.
func (w *world) settle() {
	w.Helper()
	last := w.nodes[len(w.nodes)-1]
	w.takenBack(last)
	w.until("nothing waits", func() error { return w.anyPending(last) })
	w.takenBack(last)
}

// takenBack waits until no grant is left; what lasts long is given back.
func (w *world) takenBack(last *node) {
	w.Helper()
	w.until("everything comes to its end", func() error {
		grants, err := w.listUnended(last)
		if err != nil {
			return err
		}
		for _, g := range grants {
			if lastsLong(g) && g.EndReason == "" {
				_ = person{w: w, node: last}.giveBack(access.GrantID(g.ID))
			}
		}
		if len(grants) > 0 {
			g := grants[len(grants)-1]
			return fmt.Errorf("%d grants have not ended, the oldest is %s, due %s: %s", len(grants), g.State, g.Deadline, g.LastError)
		}
		return nil
	})
}

// lastsLong reports whether somebody must give it back, because nobody waits for its end.
func lastsLong(g client.Grant) bool { return g.Duration == "1h0m0s" }

// listUnended reads all grants that have not ended, the newest first.
func (w *world) listUnended(n *node) (all []client.Grant, err error) {
	ctx, cancel := contextFor(w)
	defer cancel()
	params := client.ListGrantsParams{Scope: "all", Limit: 100}
	for {
		r, err := n.as(curfewdtest.Carol).ListGrantsWithResponse(ctx, &params)
		if err != nil {
			return nil, err
		}
		var list client.GrantList
		if err := read(r.StatusCode(), r.Body, &list); err != nil {
			return nil, err
		}
		all = append(all, list.Items...)
		if params.After = list.Next; params.After == "" {
			return all, nil
		}
	}
}

// anyPending reports an error while the newest requests have one that waits.
func (w *world) anyPending(n *node) error {
	ctx, cancel := contextFor(w)
	defer cancel()
	r, err := n.as(curfewdtest.Carol).ListRequestsWithResponse(ctx, &client.ListRequestsParams{Scope: "all", Limit: 100})
	if err != nil {
		return err
	}
	var list client.RequestList
	if err := read(r.StatusCode(), r.Body, &list); err != nil {
		return err
	}
	for _, r := range list.Items {
		if access.RequestState(r.State) == access.RequestPending {
			return fmt.Errorf("%w: the request %s is pending", errNotYet, r.ID)
		}
	}
	return nil
}

func read(status int, body []byte, into any) error {
	if status != http.StatusOK {
		return fmt.Errorf("%w: %d %s", errRefused, status, body)
	}
	return json.Unmarshal(body, into)
}

// numbered stops the nodes and reads the books. A node that is stopped may leave its last events to the next one, which
// numbers them as it starts.
func (w *world) numbered() curfewdtest.Books {
	w.Helper()
	w.stopNodes()
	books := w.readBooks()
	if books.Unnumbered == 0 {
		return books
	}
	n := w.nodes[0]
	n.start()
	w.until("what was left without a number gets one", func() error { return w.measured(n, `{name="sequence"}`) })
	w.stopNodes()
	if books = w.readBooks(); books.Unnumbered > 0 {
		w.Fatalf("%d events stay without a number", books.Unnumbered)
	}
	return books
}

// measured reports an error until the metrics of a node hold the text.
func (w *world) measured(n *node, text string) error {
	ctx, cancel := contextFor(w)
	defer cancel()
	page, err := w.company.Get(ctx, curfewdtest.Carol, n.process().Addr(), "/metrics", n.doer)
	if err == nil && !strings.Contains(page, text) {
		err = errNotYet
	}
	return err
}

func (w *world) readBooks() curfewdtest.Books {
	w.Helper()
	s, err := w.books(w.ctx)
	if err != nil {
		w.Fatal(err)
	}
	books, err := curfewdtest.ReadBooks(w.ctx, s)
	if err := errors.Join(err, s.Close()); err != nil {
		w.Fatal(err)
	}
	return books
}

// nothingLost: what somebody was told is in the books.
func (w *world) nothingLost(told *told, books curfewdtest.Books) {
	w.Helper()
	for id := range told.requests {
		if _, ok := books.Requests[id]; !ok {
			w.Errorf("the request %s was accepted and is lost", id)
		}
	}
	for id := range told.reviewed {
		if len(books.Reviews[id]) != 1 || books.Requests[id].State != access.RequestApproved {
			w.Errorf("the request %s was approved, and is %s with %d reviews", id, books.Requests[id].State, len(books.Reviews[id]))
		}
	}
	for id, reason := range told.ended {
		if got := books.Grants[id].EndReason; got != reason {
			w.Errorf("the grant %s was said to end as %s, and ended as %q", id, reason, got)
		}
	}
	fetched := map[access.GrantID]bool{}
	for _, e := range books.Events {
		if e.Kind == access.EventCredentialIssued || e.Kind == access.EventCredentialFetched {
			fetched[e.Grant] = true
		}
	}
	for id := range told.issued {
		if !fetched[id] {
			w.Errorf("a credential of the grant %s was given out, and the log does not say so", id)
		}
	}
}

// everythingEnded: no request waits, and every grant that was begun ended by a read that came after its reason.
func (w *world) everythingEnded(books curfewdtest.Books) {
	w.Helper()
	granted := map[access.RequestID]int{}
	for _, g := range books.Grants {
		granted[g.Request]++
		switch {
		case g.State != access.GrantEnded:
			w.Errorf("the grant %s is %s", g.ID, g.State)
		case !g.ActivatedAt.IsZero() && (g.VerifiedAt.IsZero() || g.VerifiedBy == ""):
			w.Errorf("the grant %s was begun and never read back as gone", g.ID)
		case g.EndReason == access.EndExpired && g.VerifiedAt.Before(g.Deadline):
			w.Errorf("the grant %s expired at %s and was read back as gone before, at %s", g.ID, g.Deadline, g.VerifiedAt)
		}
	}
	for id, r := range books.Requests {
		if r.State == access.RequestPending {
			w.Errorf("the request %s is pending", id)
		}
		if want := map[access.RequestState]int{access.RequestApproved: 1}[r.State]; granted[id] != want {
			w.Errorf("the request %s is %s, with %d grants", id, r.State, granted[id])
		}
	}
}

// grantStates are the events of a grant's states.
var grantStates = map[access.EventKind]access.GrantState{
	access.EventGrantScheduled: access.GrantScheduled, access.EventGrantActivating: access.GrantActivating,
	access.EventGrantActive: access.GrantActive, access.EventGrantRevoking: access.GrantRevoking,
	access.EventGrantEnded: access.GrantEnded,
}

// logHasNoGap: positions are 1 and on, and the events of every grant lead from scheduled to ended by legal steps.
func (w *world) logHasNoGap(books curfewdtest.Books) {
	w.Helper()
	at := map[access.GrantID]access.GrantState{}
	for i, e := range books.Events {
		if e.Position != int64(i)+1 {
			w.Fatalf("event %d of the log has the position %d", i+1, e.Position)
		}
		state, ok := grantStates[e.Kind]
		if !ok {
			continue
		}
		before, begun := at[e.Grant]
		if begun && !before.CanBecome(state) || !begun && state != access.GrantScheduled {
			w.Errorf("the log leads the grant %s from %q to %s", e.Grant, before, state)
		}
		at[e.Grant] = state
	}
	for id := range books.Grants {
		if at[id] != access.GrantEnded {
			w.Errorf("the log leaves the grant %s in the state %q", id, at[id])
		}
	}
}

func (w *world) targetIsEmpty(books curfewdtest.Books) {
	w.Helper()
	roles, err := w.target.Roles(w.ctx, books.Installation)
	if err != nil {
		w.Fatal(err)
	}
	for _, r := range roles {
		w.Errorf("the role %s of the grant %s is left at the target", r.Name, r.Grant)
	}
}

// holdAgainstTheBooks looks, in the middle of things, for access that the books do not explain or that would outlive its
// deadline if no Curfew ever came back. The target is read before the books: what is made is in them already. What has
// ended since it was read is read again.
func (w *world) holdAgainstTheBooks() {
	w.Helper()
	installation := w.readBooks().Installation
	roles, err := w.target.Roles(w.ctx, installation)
	if err != nil {
		w.Fatal(err)
	}
	books := w.readBooks()
	again, err := w.target.Roles(w.ctx, installation)
	if err != nil {
		w.Fatal(err)
	}
	there := map[string]bool{}
	for _, r := range again {
		there[r.Name] = true
	}
	for _, r := range roles {
		g, known := books.Grants[r.Grant]
		switch {
		case !known:
			w.Errorf("the role %s is in nobody's books", r.Name)
		case !g.State.Live() && there[r.Name]:
			w.Errorf("the role %s is there, and its grant is %s", r.Name, g.State)
		case r.Login && (r.Until.IsZero() || r.Until.After(g.Deadline.Add(time.Microsecond))):
			w.Errorf("the role %s is valid until %s, and its grant until %s", r.Name, r.Until, g.Deadline)
		}
	}
	w.Logf("%d roles at the target, %d grants in the books, %s", len(roles), len(books.Grants), w.told)
}
