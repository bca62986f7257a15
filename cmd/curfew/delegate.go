package main

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/api/client"
)

func (p *program) delegateCommand() *cobra.Command {
	var body client.DelegationBody
	var from, end momentFlag
	cmd := &cobra.Command{
		Use:   "delegate --to PRINCIPAL --until TIME --reason TEXT",
		Short: "Have another human review in my stead while I am absent",
		Long: `Have another human review in my stead while I am absent.

They stand where you stand, but never review what they asked for themselves, and the two of you count as one.
What they agreed to counts until access begins only while the delegation is in force. It is not passed on, and a
policy may refuse it for a stage.`,
		Example: `  curfew delegate --to bob --until 2026-03-15T08:00 --reason "on leave"`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			body.From, body.Until = time.Time(from), time.Time(end)
			return p.delegate(cmd.Context(), body)
		},
	}
	f := cmd.Flags()
	f.StringVar(&body.To, "to", "", "who reviews: a principal, by a bare id or ISSUER/SUBJECT")
	f.Var(&from, "from", "when it begins, as in 2026-03-01T08:00 (default: now)")
	f.Var(&end, "until", "when it ends, as in 2026-03-15T08:00")
	f.StringVar(&body.Reason, "reason", "", "why")
	for _, required := range []string{"to", "until", "reason"} {
		// The flags are defined above.
		_ = cmd.MarkFlagRequired(required)
	}
	return cmd
}

func (p *program) delegate(ctx context.Context, body client.DelegationBody) error {
	c, err := p.connect()
	if err != nil {
		return err
	}
	d, err := decode[client.Delegation](c.Delegate(ctx, body))
	switch {
	case err != nil:
		return err
	case p.wantsJSON():
		return p.printJSON(d)
	}
	p.say("%s reviews in your stead; %s.", d.Delegate, delegationNote(d, time.Now()))
	p.say("End it early:  curfew undelegate %s", access.Short(access.DelegationID(d.ID)))
	return nil
}

func (p *program) delegationsCommand() *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:   "delegations",
		Short: "Show who reviews in my stead, and in whose stead I do",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := p.connect()
			if err != nil {
				return err
			}
			scopes := []client.ListDelegationsParamsScope{client.ListDelegationsParamsScopeMade, client.ListDelegationsParamsScopeReceived}
			if all {
				scopes = []client.ListDelegationsParamsScope{client.ListDelegationsParamsScopeAll}
			}
			list, err := listDelegations(cmd.Context(), c, scopes...)
			if err != nil {
				return err
			}
			return p.showDelegations(list)
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "everybody's, for administrators and auditors")
	return cmd
}

// listDelegations has those of each scope, one after the other.
func listDelegations(ctx context.Context, c *client.Client, scopes ...client.ListDelegationsParamsScope) (list client.DelegationList, err error) {
	list.Items = []client.Delegation{}
	for _, scope := range scopes {
		items, next, err := collect(func(after string) ([]client.Delegation, string, error) {
			page, err := decode[client.DelegationList](c.ListDelegations(ctx, &client.ListDelegationsParams{Scope: scope, After: after, Limit: pageSize}))
			return page.Items, page.Next, err
		})
		if err != nil {
			return list, err
		}
		list.Items, list.Next = append(list.Items, items...), next
	}
	return list, nil
}

func (p *program) showDelegations(list client.DelegationList) error {
	switch {
	case p.wantsJSON():
		return p.printJSON(list)
	case len(list.Items) == 0:
		p.say("Nobody reviews in another's stead. `curfew delegate` has somebody review in yours.")
		return nil
	}
	now := time.Now()
	rows := make([][]string, len(list.Items))
	for i, d := range list.Items {
		rows[i] = []string{
			access.Short(access.DelegationID(d.ID)), d.Absent, d.Delegate, cut(display(d.Reason), cellWidth), delegationNote(d, now),
		}
	}
	return p.table([]string{"ID", "ABSENT", "REVIEWS", "REASON", "NOTE"}, rows)
}

// delegationNote says when a delegation is in force.
func delegationNote(d client.Delegation, now time.Time) string {
	switch {
	case !d.EndedAt.IsZero() && d.EndedBy != "":
		return "ended " + until(d.EndedAt, now) + " by " + d.EndedBy
	case !d.EndedAt.IsZero():
		return "ended " + until(d.EndedAt, now)
	case !now.Before(d.Until):
		return "over " + until(d.Until, now)
	case now.Before(d.From):
		return "it begins " + until(d.From, now) + " and ends " + until(d.Until, now)
	default:
		return "it ends " + until(d.Until, now)
	}
}

func (p *program) undelegateCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "undelegate ID",
		Short:             "End a delegation early",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: p.completeDelegations,
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.undelegate(cmd.Context(), args[0])
		},
	}
}

func (p *program) undelegate(ctx context.Context, typed string) error {
	c, err := p.connect()
	if err != nil {
		return err
	}
	id, err := findDelegation(ctx, c, typed)
	if err != nil {
		return err
	}
	d, err := decode[client.Delegation](c.EndDelegation(ctx, id))
	switch {
	case err != nil:
		return err
	case p.wantsJSON():
		return p.printJSON(d)
	}
	p.say("%s reviews in the stead of %s no more.", d.Delegate, d.Absent)
	return nil
}

// findDelegation finds the ID of the delegation that is meant, by its ID or the last six characters of it. Others' delegations are
// looked through for those who may see them, of whom administrators end them.
func findDelegation(ctx context.Context, c *client.Client, typed string) (string, error) {
	if strings.HasPrefix(typed, access.DelegationPrefix) {
		return typed, nil
	}
	list, err := listDelegations(ctx, c, client.ListDelegationsParamsScopeMade, client.ListDelegationsParamsScopeReceived)
	if err != nil {
		return "", err
	}
	byID := func(d client.Delegation) bool { return access.MatchesShort(access.DelegationID(d.ID), typed) }
	if !slices.ContainsFunc(list.Items, byID) {
		all, err := listDelegations(ctx, c, client.ListDelegationsParamsScopeAll)
		if err != nil && access.KindOf(err) != access.KindDenied {
			return "", err
		}
		list = all
	}
	d, err := one(list.Items, "delegation", typed, byID)
	return d.ID, err
}
