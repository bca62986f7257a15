package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/api/client"
)

// showRequest shows one request with everything that a reviewer goes by.
func (p *program) showRequest(ctx context.Context, typed string) error {
	c, err := p.connect()
	if err != nil {
		return err
	}
	id, err := findRequest(ctx, c, typed)
	if err != nil {
		return err
	}
	r, err := decode[client.Request](c.GetRequest(ctx, id, nil))
	switch {
	case err != nil:
		return err
	case p.wantsJSON():
		return p.printJSON(r)
	}
	p.say("Request %s by %s is %s (%s).", access.Short(access.RequestID(r.ID)), who(r), string(r.State), requestNote(r, time.Now()))
	rows := [][]string{{"Asks for", asked(r)}, {"For", shortText(r.Duration)}, {"Reason", r.Reason}}
	if r.Bundle != "" {
		rows = append(rows, []string{"Which is", strings.Join(r.Entitlements, " ")})
	}
	if r.Ticket != "" {
		rows = append(rows, []string{"Ticket", r.Ticket})
	}
	for _, name := range slices.Sorted(maps.Keys(r.Params)) {
		rows = append(rows, []string{"Parameter", name + " = " + r.Params[name]})
	}
	if err := p.table(nil, rows); err != nil {
		return err
	}
	for _, implied := range r.Implies {
		p.tellImplied(implied)
	}
	return nil
}

// tellImplied names what an entitlement gives beyond itself.
func (p *program) tellImplied(i client.Implied) {
	switch len(i.Rights) {
	case 0:
		p.say("%s may give more than itself:", i.Entitlement)
	default:
		p.say("%s gives these too:", i.Entitlement)
	}
	for _, right := range i.Rights {
		p.say("  %s", right)
	}
	if i.Incomplete != "" {
		p.say("  %s", i.Incomplete)
	}
}

// impliedNote says in a list how much a request's entitlements give beyond themselves; empty when they do not.
func impliedNote(r client.Request) string {
	rights, atLeast := 0, ""
	for _, i := range r.Implies {
		rights += len(i.Rights)
		if i.Incomplete != "" {
			atLeast = "at least "
		}
	}
	if len(r.Implies) == 0 {
		return ""
	}
	return fmt.Sprintf("; gives %s%d more (curfew requests %s)", atLeast, rights, access.Short(access.RequestID(r.ID)))
}
