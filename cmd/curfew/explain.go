package main

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/api/client"
)

// unsaid stands for a reason and a ticket where the question is what they would lead to, as in a list of what there is.
const unsaid = "-"

func (p *program) explainCommand() *cobra.Command {
	var o requestOptions
	cmd := &cobra.Command{
		Use:   "explain ENTITLEMENT|bundle:NAME",
		Short: "Show what would be decided if I asked now, policy by policy, and who could approve",
		Long: `Show what would be decided if I asked now, policy by policy, and who could approve.

Nothing is asked. Without --reason and --ticket it is what a request with some of each would come to.`,
		Example:           `  curfew explain orders-db/orders:write --for 2h`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: p.completeOneEntitlement,
		RunE: func(cmd *cobra.Command, entitlements []string) error {
			body, err := o.body(entitlements)
			if err != nil {
				return err
			}
			body.Reason, body.Ticket = cmp.Or(body.Reason, unsaid), cmp.Or(body.Ticket, unsaid)
			c, err := p.connect()
			if err != nil {
				return err
			}
			d, err := decode[client.Decision](c.Explain(cmd.Context(), body))
			switch {
			case err != nil:
				return err
			case p.wantsJSON():
				return p.printJSON(d)
			}
			return p.showDecision(d)
		},
	}
	f := cmd.Flags()
	f.Var(&o.duration, "for", "how long, as in 30m (default: the shorter of one hour and the longest allowed)")
	f.Var(&o.start, "start", "when it shall begin, as in 2026-03-01T22:00 (default: as soon as it is approved)")
	f.StringVar(&o.reason, "reason", "", "why, for policies that go by it")
	f.StringVar(&o.ticket, "ticket", "", "the ticket that it is for, for policies that go by it")
	f.StringArrayVar(&o.params, "param", nil, "a parameter of the entitlement, as KEY=VALUE; may be repeated")
	return cmd
}

// showDecision says what would be decided, and how that comes about.
func (p *program) showDecision(d client.Decision) error {
	p.say("For %s: %s", access.WhoActs(d.Principal, d.ActsFor), d.Why)
	for _, name := range d.Requires {
		p.say("%s", requirementText(name))
	}
	p.tellApprovers(d.Stages)
	for _, t := range d.Targets {
		p.say("")
		p.say("%s", targetText(t))
		if len(d.Targets) > 1 {
			p.say("%s", t.Why)
		}
		if err := p.showConsidered("", t.Policies); err != nil {
			return err
		}
		if d.ActsFor == "" {
			continue
		}
		if err := p.showConsidered(fmt.Sprintf("And for %s, to whom the agent is held:", d.ActsFor), t.HumanPolicies); err != nil {
			return err
		}
	}
	if d.LeftOut > 0 {
		p.say("%d more policies are for others or for something else.", d.LeftOut)
	}
	return nil
}

// requirementText says what a request must come with.
func requirementText(name string) string {
	switch name {
	case "reason", "ticket":
		return fmt.Sprintf("Give a %s with it: --%s", name, name)
	case "mfa":
		return "Confirm it with your second factor."
	default:
		return "It demands: " + name
	}
}

// tellApprovers names who could agree, stage by stage.
func (p *program) tellApprovers(stages []client.DecisionStage) {
	for _, s := range stages {
		names := make([]string, len(s.Approvers))
		for i, a := range s.Approvers {
			names[i] = a.Principal
			if a.Name != "" {
				names[i] += " (" + a.Name + ")"
			}
		}
		text := strings.Join(names, ", ")
		if s.More > 0 {
			text += fmt.Sprintf(" and %d more", s.More)
		}
		p.say("Could approve (%d of %s, within %s): %s", s.Count, strings.Join(s.From, " or "), shortText(s.Within), text)
	}
}

// targetText says what would be decided of one entitlement.
func targetText(t client.TargetDecision) string {
	text := t.Entitlement + ": " + decisionText(client.OfferDecision(t.Decision))
	if t.Duration != "" {
		text += " for " + shortText(t.Duration)
	}
	if t.MaxDuration != "" {
		text += ", at most " + shortText(t.MaxDuration)
	}
	if !t.Until.IsZero() {
		text += ", not beyond " + t.Until.Format(time.RFC3339)
	}
	return text
}

func (p *program) showConsidered(heading string, policies []client.Considered) error {
	if heading != "" {
		p.say("%s", heading)
	}
	if len(policies) == 0 {
		p.say("No policy was looked at.")
		return nil
	}
	rows := make([][]string, len(policies))
	for i, c := range policies {
		rows[i] = []string{c.Policy, string(c.Effect), resultText(c), c.Detail}
	}
	return p.table([]string{"POLICY", "EFFECT", "RESULT", "DETAIL"}, rows)
}

// resultText says in a few words what became of a policy, and by which of its parts.
func resultText(c client.Considered) string {
	switch c.Result {
	case client.ConsideredResultDecided:
		return "decides"
	case client.ConsideredResultGuarded:
		return "adds what it demands"
	case client.ConsideredResultDenied:
		return "forbids it"
	case client.ConsideredResultCandidate:
		return "would do, another asks for less"
	case client.ConsideredResultNotForYou:
		return "who: not for you"
	case client.ConsideredResultNotForThis:
		return "what: not for this"
	case client.ConsideredResultConditionFalse:
		return "when: does not hold"
	case client.ConsideredResultPastUntil:
		return "until: does not cover the time"
	case client.ConsideredResultTooLong:
		return "max_duration: too long"
	case client.ConsideredResultUnmet:
		return "require: not met"
	case client.ConsideredResultNoReviewer:
		return "approve: too few who could"
	case client.ConsideredResultNotBreakGlass, client.ConsideredResultOnlyBreakGlass:
		return "break_glass: " + string(c.Result)
	default:
		return string(c.Result)
	}
}
