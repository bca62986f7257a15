package main

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/api/client"
)

// cellWidth bounds what people wrote in a table, in characters.
const cellWidth = 48

// requestsOptions choose among many; none is mine.
type requestsOptions struct{ toReview, forOthers, all bool }

func (p *program) requestsCommand() *cobra.Command {
	var o requestsOptions
	cmd := &cobra.Command{
		Use:               "requests [ID]",
		Short:             "Show my requests, or those that wait for my review, or one with all that it would give",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: p.completeToReview,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				if o != (requestsOptions{}) {
					return usagef("an ID stands alone; --to-review, --for-others and --all choose among many")
				}
				return p.showRequest(cmd.Context(), args[0])
			}
			c, err := p.connect()
			if err != nil {
				return err
			}
			list, err := requestsFor(cmd.Context(), c, o)
			if err != nil {
				return err
			}
			return p.showRequests(list, o.toReview)
		},
	}
	cmd.Flags().BoolVar(&o.toReview, "to-review", false, "those that wait for my review")
	cmd.Flags().BoolVar(&o.forOthers, "for-others", false, "those that I asked for in another's name")
	cmd.Flags().BoolVar(&o.all, "all", false, "all that I may see: everybody's for administrators and auditors")
	cmd.MarkFlagsMutuallyExclusive("to-review", "for-others", "all")
	return cmd
}

func requestsFor(ctx context.Context, c *client.Client, o requestsOptions) (list client.RequestList, err error) {
	in := func(scope client.ListRequestsParamsScope) ([]client.Request, string, error) {
		return listRequests(ctx, c, scope)
	}
	switch {
	case o.toReview:
		list.Items, list.Next, err = in(client.ListRequestsParamsScopeToReview)
	case o.forOthers:
		list.Items, list.Next, err = in(client.ListRequestsParamsScopeForOthers)
	case o.all:
		list.Items, list.Next, err = visible(in, client.ListRequestsParamsScopeAll, client.ListRequestsParamsScopeMine)
	default:
		list.Items, list.Next, err = in(client.ListRequestsParamsScopeMine)
	}
	return list, err
}

func (p *program) showRequests(list client.RequestList, toReview bool) error {
	switch {
	case p.wantsJSON():
		return p.printJSON(list)
	case len(list.Items) == 0 && toReview:
		p.say("Nothing waits for your review.")
		return nil
	case len(list.Items) == 0:
		p.say("There are no requests. `curfew list` shows what you can ask for.")
		return nil
	}
	now := time.Now()
	rows := make([][]string, len(list.Items))
	for i, r := range list.Items {
		rows[i] = []string{
			access.Short(access.RequestID(r.ID)), who(r), asked(r), shortText(r.Duration), string(r.State),
			cut(display(r.Reason), cellWidth), requestNote(r, now) + impliedNote(r),
		}
	}
	return p.table([]string{"ID", "WHO", "ENTITLEMENTS", "FOR", "STATE", "REASON", "NOTE"}, rows)
}

// who is whose request it is, and who asked for it if that is another.
func who(r client.Request) string {
	name := access.WhoActs(r.Principal, r.ActsFor)
	if r.Name != "" { // which people choose themselves at many a provider, so it never stands alone
		name = cut(display(r.Name), cellWidth) + " (" + name + ")"
	}
	if r.AskedBy == "" {
		return name
	}
	return name + " (asked by " + r.AskedBy + ")"
}

// asked is what was asked for, as it was asked for.
func asked(r client.Request) string {
	if r.Bundle != "" {
		return "bundle:" + r.Bundle
	}
	return strings.Join(r.Entitlements, " ")
}

// requestNote says what a request waits for, or how it was settled.
func requestNote(r client.Request, now time.Time) string {
	switch r.State {
	case client.RequestStatePending:
		note := waitsFor(r) + ", lapses " + until(r.LapsesAt, now)
		if !r.Start.IsZero() {
			note += "; begins " + until(r.Start, now)
		}
		return note
	case client.RequestStateDenied:
		return r.Why
	default:
		return until(r.SettledAt, now)
	}
}
