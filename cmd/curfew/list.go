package main

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/curfewhq/curfew/internal/api/client"
)

func (p *program) listCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "list [WORDS]",
		Short: "Show what I can ask for, for how long at most, and who would have to agree",
		RunE: func(cmd *cobra.Command, words []string) error {
			c, err := p.connect()
			if err != nil {
				return err
			}
			list, err := decode[client.OfferList](c.ListEntitlements(cmd.Context(), &client.ListEntitlementsParams{Words: strings.Join(words, " ")}))
			switch {
			case err != nil:
				return err
			case p.wantsJSON():
				return p.printJSON(list)
			case len(list.Items) == 0 && len(words) > 0:
				p.say("Nothing that you can ask for has these words. `curfew list` shows everything.")
				return nil
			case len(list.Items) == 0:
				p.say("There is nothing that you can ask for. Who administers Curfew can write a policy for you.")
				return nil
			}
			rows := make([][]string, len(list.Items))
			for i, o := range list.Items {
				rows[i] = []string{o.Entitlement, decisionText(o.Decision), shortText(o.MaxDuration), strings.Join(o.Reviewers, " ")}
			}
			return p.table([]string{"ENTITLEMENT", "DECISION", "AT MOST", "REVIEWERS"}, rows)
		},
	}
}

func decisionText(d client.OfferDecision) string {
	switch d {
	case client.OfferDecisionAuto:
		return "automatic"
	case client.OfferDecisionReview:
		return "needs a review"
	default:
		return string(d)
	}
}
