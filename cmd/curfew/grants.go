package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/api/client"
)

func (p *program) grantsCommand() *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:   "grants",
		Short: "Show the access that I have",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := p.connect()
			if err != nil {
				return err
			}
			in := func(scope client.ListGrantsParamsScope) ([]client.Grant, string, error) {
				return listGrants(cmd.Context(), c, scope, all)
			}
			var list client.GrantList
			if all {
				list.Items, list.Next, err = visible(in, client.ListGrantsParamsScopeAll, client.ListGrantsParamsScopeMine)
			} else {
				list.Items, list.Next, err = in(client.ListGrantsParamsScopeMine)
			}
			if err != nil {
				return err
			}
			if err := p.forgetEnded(list.Items); err != nil {
				return err
			}
			return p.showGrants(list, all)
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "all that I may see, those that have ended too: everybody's for administrators and auditors")
	return cmd
}

func (p *program) showGrants(list client.GrantList, all bool) error {
	switch {
	case p.wantsJSON():
		return p.printJSON(list)
	case len(list.Items) == 0 && all:
		p.say("There are no grants. `curfew list` shows what you can ask for.")
		return nil
	case len(list.Items) == 0:
		p.say("You have no access through Curfew now. `curfew list` shows what you can ask for, `curfew grants --all` what you had.")
		return nil
	}
	now := time.Now()
	rows := make([][]string, len(list.Items))
	for i, g := range list.Items {
		rows[i] = []string{access.Short(access.GrantID(g.ID)), access.WhoActs(g.Principal, g.ActsFor), g.Entitlement, string(g.State), grantNote(g, now)}
	}
	return p.table([]string{"ID", "WHO", "ENTITLEMENT", "STATE", "NOTE"}, rows)
}

// grantNote says when a grant ends, or how it has ended.
func grantNote(g client.Grant, now time.Time) string {
	switch g.State {
	case client.GrantStateScheduled, client.GrantStateActivating:
		if waitsForStart(g) {
			return withError(fmt.Sprintf("for %s, begins %s", shortText(g.Duration), until(g.StartAt, now)), g)
		}
		return withError("for "+shortText(g.Duration), g)
	case client.GrantStateActive:
		if !g.ExtendTo.IsZero() {
			return withError(fmt.Sprintf("ends %s, and is being extended to end %s", until(g.Deadline, now), until(g.ExtendTo, now)), g)
		}
		return "ends " + until(g.Deadline, now)
	case client.GrantStateRevoking:
		if !g.ResidualUntil.IsZero() {
			return fmt.Sprintf("%s; what was issued stops working %s", g.EndReason, until(g.ResidualUntil, now))
		}
		if !g.Deadline.IsZero() && now.After(g.Deadline) {
			return withError(fmt.Sprintf("%s; overdue by %s", g.EndReason, short(now.Sub(g.Deadline))), g)
		}
		return withError(fmt.Sprintf("%s; being taken back", g.EndReason), g)
	default:
		return endText(g)
	}
}

// withError adds what went wrong last, which is a sentence; a note is none, and has no full stop.
func withError(note string, g client.Grant) string {
	if g.LastError == "" {
		return note
	}
	return note + ": " + strings.TrimSuffix(g.LastError, ".")
}

// endText says how a grant has ended, or is ending.
func endText(g client.Grant) string {
	text := string(g.EndReason)
	if !g.VerifiedAt.IsZero() {
		what := "gone"
		if g.KeptBy != "" {
			what = "kept by " + g.KeptBy
		}
		text += "; read back as " + what + " at " + g.VerifiedAt.Format(time.RFC3339)
	}
	if g.EndReason == client.GrantEndReasonAttested {
		text += " by two administrators, and not read back"
	}
	return withError(text, g)
}

// forgetEnded removes the keys of requests of which every grant in the list has ended.
func (p *program) forgetEnded(grants []client.Grant) error {
	live := map[string]bool{}
	for _, g := range grants {
		live[g.Request] = live[g.Request] || g.State != client.GrantStateEnded
	}
	keys, err := p.openKeyring()
	if err != nil {
		return err
	}
	defer keys.close()
	if err := keys.prune(time.Now()); err != nil {
		return err
	}
	for request, live := range live {
		if live {
			continue
		}
		if err := keys.forget(request); err != nil {
			return err
		}
	}
	return nil
}
