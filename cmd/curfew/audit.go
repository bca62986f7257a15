package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/api/client"
)

const (
	// eventPage is how many positions of the log one call looks at.
	eventPage = 1000
	// followWait is how long one call waits for the log to grow.
	followWait = 30 * time.Second
)

func (p *program) auditCommand() *cobra.Command {
	var follow bool
	var after, last int64
	var q client.ListEventsParams
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "Show the audit log: everybody's for administrators and auditors, else what concerns my requests and reviews",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if after < 0 || last < 1 || last > eventPage {
				return usagef("--after is a position from 0 on, and --last is 1 to %d", eventPage)
			}
			c, err := p.connect()
			if err != nil {
				return err
			}
			if err := wholeIDs(cmd.Context(), c, &q.Grant, &q.Request); err != nil {
				return err
			}
			from := q
			from.Limit, from.Last = eventPage, last
			if cmd.Flags().Changed("after") {
				from.Last, from.After = 0, after
			}
			return p.audit(cmd.Context(), c, from, follow)
		},
	}
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on with what is entered from now on")
	cmd.Flags().Int64Var(&last, "last", 100, "begin so many entries before the end")
	cmd.Flags().Int64Var(&after, "after", 0, "begin behind this position instead; 0 is the beginning")
	cmd.Flags().StringVar(&q.Grant, "grant", "", "what is about this grant alone")
	cmd.Flags().StringVar(&q.Request, "request", "", "what is about this request alone")
	cmd.Flags().StringVar(&q.Kind, "kind", "", "what is of this kind alone, as in grant.ended; grant. is all that begin so")
	cmd.Flags().StringVar(&q.Actor, "by", "", "what this principal caused")
	cmd.Flags().StringVar(&q.Subject, "of", "", "what is about this principal's access")
	cmd.MarkFlagsMutuallyExclusive("after", "last")
	cmd.AddCommand(p.auditCheckpointCommand(), p.auditExportCommand(), p.auditVerifyCommand(), p.auditForgetCommand())
	return cmd
}

// audit prints the log page by page, so that no length of it is held in memory, and then waits for more if that is asked.
func (p *program) audit(ctx context.Context, c *client.Client, from client.ListEventsParams, follow bool) error {
	began := false
	for {
		list, err := decode[client.EventList](c.ListEvents(ctx, &from))
		if err != nil {
			return err
		}
		if err := p.showEvents(list.Items, !began); err != nil {
			return err
		}
		began = began || len(list.Items) > 0
		atEnd := list.Next == from.After && from.Last == 0
		from.Last, from.After = 0, list.Next
		switch {
		case atEnd && !follow:
			return p.noEvents(began)
		case atEnd:
			from.Wait = followWait.String()
		}
	}
}

func (p *program) noEvents(began bool) error {
	if !began && !p.wantsJSON() {
		p.say("There is nothing here that you may see. `curfew audit --after 0` begins at the beginning.")
	}
	return nil
}

// showEvents prints entries, in JSON one a line: a log that is followed has no end, and so is no document.
func (p *program) showEvents(items []client.Event, headings bool) error {
	if headings && len(items) > 0 && !p.wantsJSON() {
		p.say(eventLine, "POS", "TIME", "EVENT", "WHO", "WHAT", "NOTE")
	}
	for _, ev := range items {
		if p.wantsJSON() {
			if err := p.printJSONLine(ev); err != nil {
				return err
			}
			continue
		}
		p.say(eventLine, fmt.Sprint(ev.Position), ev.At.UTC().Format(time.RFC3339), ev.Kind, eventWho(ev), eventWhat(ev), eventNote(ev))
	}
	return nil
}

// eventLine has columns of fixed widths, since what is to come is not known.
const eventLine = "%-6s  %-20s  %-22s  %-12s  %-32s  %s"

// erased stands where a name or words have been erased.
const erased = "erased"

func eventWho(ev client.Event) string {
	switch {
	case slices.Contains(ev.Erased, "actor"):
		return erased
	case ev.Actor == "":
		return "curfew"
	}
	if ev.Actor == ev.Subject {
		return eventSubject(ev)
	}
	return ev.Actor
}

// eventSubject is whose access an entry is about, and for whom an agent had it.
func eventSubject(ev client.Event) string {
	of, actsFor := ev.Subject, ev.ActsFor
	if slices.Contains(ev.Erased, "subject") {
		of = erased
	}
	if slices.Contains(ev.Erased, "acts_for") {
		actsFor = erased
	}
	return access.WhoActs(of, actsFor)
}

// eventWhat names the grant or the request by what people type for it.
func eventWhat(ev client.Event) string {
	switch {
	case ev.Grant != "":
		return access.Short(access.GrantID(ev.Grant)) + " " + ev.Entitlement
	case ev.Request != "":
		return access.Short(access.RequestID(ev.Request)) + " of " + eventSubject(ev)
	}
	return ""
}

// eventNote is what the entry says beside its states, in an order that stays.
func eventNote(ev client.Event) string {
	var notes []string
	for _, words := range []map[string]string{ev.Detail, ev.Personal} {
		var part []string
		for key, value := range words {
			part = append(part, key+": "+cut(display(value), cellWidth))
		}
		slices.Sort(part)
		notes = append(notes, part...)
	}
	for _, key := range ev.Erased {
		if key != "actor" && key != "subject" && key != "acts_for" {
			notes = append(notes, key+": "+erased)
		}
	}
	return strings.Join(notes, "; ")
}

// printJSONLine prints a value as the API shows it, on one line.
func (p *program) printJSONLine(v any) error {
	line, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = p.stdout.Write(escapeJSON(append(line, '\n')))
	return err
}
