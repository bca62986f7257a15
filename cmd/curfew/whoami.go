package main

import (
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/curfewhq/curfew/internal/api/client"
)

func (p *program) whoamiCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "whoami",
		Short: "Show who my token belongs to",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := p.connect()
			if err != nil {
				return err
			}
			me, err := decode[client.Principal](c.Whoami(cmd.Context()))
			switch {
			case err != nil:
				return err
			case p.wantsJSON():
				return p.printJSON(me)
			}
			rows := [][]string{{"principal", me.Principal}, {"kind", string(me.Kind)}, {"person", me.Person}, {"groups", strings.Join(me.Groups, " ")}}
			if me.Name != "" {
				rows = slices.Insert(rows, 1, []string{"name", me.Name})
			}
			if me.ActsFor != "" {
				rows = append(rows, []string{"acts for", me.ActsFor})
			}
			if me.Session.ID != "" {
				rows = append(rows, []string{"session", sessionText(me.Session, time.Now())})
			}
			return p.table(nil, rows)
		},
	}
}
