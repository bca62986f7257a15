package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/api/client"
)

func (p *program) approveCommand() *cobra.Command {
	var limit durationFlag
	var noBrowser bool
	body := client.ReviewBody{Verdict: client.ReviewBodyVerdictApprove}
	cmd := &cobra.Command{
		Use:   "approve ID",
		Short: "Agree to a request",
		Long: `Agree to a request. Where a policy demands it, the review is confirmed with a passkey: a page opens in the browser, and this
waits until it is confirmed.`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: p.completeToReview,
		RunE: func(cmd *cobra.Command, args []string) error {
			if limit != 0 {
				body.Cap = time.Duration(limit).String()
			}
			return p.review(cmd.Context(), args[0], body, noBrowser)
		},
	}
	noBrowserFlag(cmd, &noBrowser)
	cmd.Flags().Var(&limit, "cap", "shorten the access to this duration")
	cmd.Flags().StringVar(&body.Comment, "comment", "", "what the requester shall read")
	return cmd
}

func (p *program) denyCommand() *cobra.Command {
	body := client.ReviewBody{Verdict: client.ReviewBodyVerdictDeny}
	cmd := &cobra.Command{
		Use:               "deny ID",
		Short:             "Refuse a request",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: p.completeToReview,
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.review(cmd.Context(), args[0], body, true)
		},
	}
	cmd.Flags().StringVar(&body.Comment, "comment", "", "what the requester shall read")
	return cmd
}

func (p *program) review(ctx context.Context, typed string, body client.ReviewBody, noBrowser bool) error {
	c, err := p.connect()
	if err != nil {
		return err
	}
	id, err := findRequest(ctx, c, typed)
	if err != nil {
		return err
	}
	r, err := decode[client.Request](c.ReviewRequest(ctx, id, body))
	switch {
	case access.KindOf(err) == access.KindUnconfirmed:
		if err := p.inBrowser(ctx, c, noBrowser)(decode[client.Ceremony](c.ConfirmReview(ctx, id, body))); err != nil {
			return err
		}
		return p.showAfter(ctx, c, id, p.tellReviewed)
	case err != nil:
		return err
	case p.wantsJSON():
		return p.printJSON(r)
	}
	p.tellReviewed(r)
	return nil
}

// tellReviewed says what a review has come to.
func (p *program) tellReviewed(r client.Request) {
	what := asked(r) + " for " + who(r)
	if r.State == client.RequestStatePending {
		p.say("Your review counts. Request %s (%s) is %s.", access.Short(access.RequestID(r.ID)), what, waitsFor(r))
		return
	}
	p.say("Request %s (%s) is %s.", access.Short(access.RequestID(r.ID)), what, string(r.State))
}

func (p *program) withdrawCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "withdraw ID",
		Short:             "Take back a request of mine",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: p.completeMine,
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.withdraw(cmd.Context(), args[0])
		},
	}
}

func (p *program) withdraw(ctx context.Context, typed string) error {
	c, err := p.connect()
	if err != nil {
		return err
	}
	keys, err := p.openKeyring()
	if err != nil {
		return err
	}
	defer keys.close()
	id, err := findRequest(ctx, c, typed)
	if err != nil {
		return err
	}
	r, err := decode[client.Request](c.WithdrawRequest(ctx, id))
	if err != nil {
		return err
	}
	if err := keys.forget(r.ID); err != nil {
		return err
	}
	if p.wantsJSON() {
		return p.printJSON(r)
	}
	p.say("Request %s is withdrawn.", access.Short(access.RequestID(r.ID)))
	return nil
}
