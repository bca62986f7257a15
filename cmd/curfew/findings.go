package main

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/api/client"
)

func (p *program) findingsCommand() *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:   "findings",
		Short: "Show what the targets have and the books do not explain (administrators and auditors)",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := p.connect()
			if err != nil {
				return err
			}
			items, next, err := listFindings(cmd.Context(), c, all)
			if err != nil {
				return err
			}
			return p.showFindings(client.FindingList{Items: items, Next: next})
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "what has been removed or accepted too")
	cmd.AddCommand(p.acceptFindingCommand())
	return cmd
}

func (p *program) acceptFindingCommand() *cobra.Command {
	var body client.AcceptBody
	cmd := &cobra.Command{
		Use:   "accept FINDING --reason TEXT",
		Short: "Say that what was found may stay (administrators)",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := p.connect()
			if err != nil {
				return err
			}
			id, err := findFinding(cmd.Context(), c, args[0])
			if err != nil {
				return err
			}
			f, err := decode[client.Finding](c.AcceptFinding(cmd.Context(), id, body))
			if err != nil {
				return err
			}
			if p.wantsJSON() {
				return p.printJSON(f)
			}
			p.say("Finding %s at %s is accepted: it may stay, and is not reported again.", access.Short(access.FindingID(f.ID)), f.Connector)
			return nil
		},
	}
	cmd.Flags().StringVar(&body.Reason, "reason", "", "why")
	// The flag is defined one line above.
	_ = cmd.MarkFlagRequired("reason")
	return cmd
}

func listFindings(ctx context.Context, c *client.Client, all bool) ([]client.Finding, string, error) {
	return collect(func(after string) ([]client.Finding, string, error) {
		list, err := decode[client.FindingList](c.ListFindings(ctx, &client.ListFindingsParams{All: all, After: after, Limit: pageSize}))
		return list.Items, list.Next, err
	})
}

// findFinding finds the ID of the open finding that is meant, by its ID or the last six characters of it.
func findFinding(ctx context.Context, c *client.Client, typed string) (string, error) {
	if strings.HasPrefix(typed, access.FindingPrefix) {
		return typed, nil
	}
	open, _, err := listFindings(ctx, c, false)
	if err != nil {
		return "", err
	}
	f, err := one(open, "open finding", typed, func(f client.Finding) bool { return access.MatchesShort(access.FindingID(f.ID), typed) })
	return f.ID, err
}

func (p *program) showFindings(list client.FindingList) error {
	switch {
	case p.wantsJSON():
		return p.printJSON(list)
	case len(list.Items) == 0:
		p.say("There are no findings: what bears a mark at the targets is in the books.")
		return nil
	}
	now := time.Now()
	rows := make([][]string, len(list.Items))
	for i, f := range list.Items {
		rows[i] = []string{
			access.Short(access.FindingID(f.ID)), f.Connector, string(f.Kind), cut(display(f.Account), cellWidth), cut(display(f.Right), cellWidth),
			string(f.State), findingNote(f, now),
		}
	}
	return p.table([]string{"ID", "CONNECTOR", "KIND", "ACCOUNT", "RIGHT", "STATE", "NOTE"}, rows)
}

// findingNote says what a finding is, for whoever has to do something about it.
func findingNote(f client.Finding, now time.Time) string {
	note := "found " + until(f.FoundAt, now)
	switch {
	case f.State == client.FindingStateAccepted:
		note += ", accepted by " + f.ClosedBy
	case f.State == client.FindingStateRemoved:
		note += ", gone " + until(f.ClosedAt, now)
	case f.Overdue:
		note = "OVERDUE, " + note
	}
	if f.Grant != "" {
		note += ", grant " + access.Short(access.GrantID(f.Grant))
	}
	if f.Note != "" {
		note += ": " + f.Note
	}
	return note
}
