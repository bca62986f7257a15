package main

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/api/client"
)

func (p *program) sessionsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "sessions",
		Short: "Show where I am signed in, and the tokens that I had made",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := p.connect()
			if err != nil {
				return err
			}
			list, err := listSessions(cmd.Context(), c)
			if err != nil {
				return err
			}
			return p.showSessions(list)
		},
	}
	cmd.AddCommand(&cobra.Command{
		Use:               "end SESSION",
		Short:             "End a session or a token of mine",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: p.completeSessions,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := p.connect()
			if err != nil {
				return err
			}
			list, err := listSessions(cmd.Context(), c)
			if err != nil {
				return err
			}
			s, err := one(list.Items, "session of yours", args[0], func(s client.Session) bool { return access.MatchesShort(access.SessionID(s.ID), args[0]) })
			if err != nil {
				return err
			}
			if err := discard(c.EndSession(cmd.Context(), s.ID)); err != nil {
				return err
			}
			p.say("Session %s has ended.", access.Short(access.SessionID(s.ID)))
			return nil
		},
	})
	return cmd
}

func listSessions(ctx context.Context, c *client.Client) (list client.SessionList, err error) {
	list.Items, list.Next, err = collect(func(after string) ([]client.Session, string, error) {
		list, err := decode[client.SessionList](c.ListSessions(ctx, &client.ListSessionsParams{After: after, Limit: pageSize}))
		return list.Items, list.Next, err
	})
	return list, err
}

func (p *program) showSessions(list client.SessionList) error {
	if p.wantsJSON() {
		return p.printJSON(list)
	}
	if len(list.Items) == 0 {
		p.say("None: you have a token of the configuration.")
		return nil
	}
	now := time.Now()
	rows := make([][]string, len(list.Items))
	for i, s := range list.Items {
		mark := ""
		if s.Current {
			mark = "*"
		}
		rows[i] = []string{
			mark, access.Short(access.SessionID(s.ID)), string(s.Kind), s.Principal, s.Label, scopesText(s.Scopes), until(s.UsedAt, now), until(s.EndsAt, now),
		}
	}
	return p.table([]string{"", "SESSION", "KIND", "PRINCIPAL", "WHERE", "SCOPES", "USED", "ENDS"}, rows)
}

func scopesText(scopes []string) string {
	if len(scopes) == 0 {
		return "all"
	}
	return strings.Join(scopes, ",")
}

// sessionText is a session in one line.
func sessionText(s client.Session, now time.Time) string {
	text := access.Short(access.SessionID(s.ID)) + ", " + s.Label + ", ends " + until(s.EndsAt, now)
	if len(s.Scopes) > 0 {
		text += ", for " + scopesText(s.Scopes) + " only"
	}
	return text
}

func (p *program) completeSessions(cmd *cobra.Command, typed []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return p.candidates(cmd, typed, true, func(ctx context.Context, c *client.Client) (out []cobra.Completion, err error) {
		list, err := listSessions(ctx, c)
		for _, s := range list.Items {
			out = append(out, cobra.CompletionWithDesc(display(access.Short(access.SessionID(s.ID))), display(s.Label)))
		}
		return out, err
	})
}
