package main

import (
	"context"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/api/client"
)

// completeTimeout is how long a shell waits for candidates. Without an answer there are none, and no error: the line
// that is being typed is not the place for one.
const completeTimeout = 2 * time.Second

// complete gives a flag fixed candidates.
func complete(cmd *cobra.Command, flag string, candidates ...string) {
	// The flag is defined before; only a missing or repeated one is an error.
	_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(candidates, cobra.ShellCompDirectiveNoFileComp))
}

// completeFiles leaves the words to the shell, which knows the names of files.
func completeFiles(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveDefault
}

// candidates asks the server for the words that can come next, leaving out those that are there already.
func (p *program) candidates(cmd *cobra.Command, typed []string, one bool, ask func(context.Context, *client.Client) ([]cobra.Completion, error)) ([]cobra.Completion, cobra.ShellCompDirective) {
	if one && len(typed) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	c, err := p.connect()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), completeTimeout)
	defer cancel()
	found, err := ask(ctx, c)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return slices.DeleteFunc(found, func(w cobra.Completion) bool { return slices.Contains(typed, w) }), cobra.ShellCompDirectiveNoFileComp
}

func (p *program) completeEntitlements(cmd *cobra.Command, typed []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return p.offered(cmd, typed, false)
}

func (p *program) completeOneEntitlement(cmd *cobra.Command, typed []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return p.offered(cmd, typed, true)
}

func (p *program) offered(cmd *cobra.Command, typed []string, one bool) ([]cobra.Completion, cobra.ShellCompDirective) {
	return p.candidates(cmd, typed, one, func(ctx context.Context, c *client.Client) (out []cobra.Completion, err error) {
		list, err := decode[client.OfferList](c.ListEntitlements(ctx, nil))
		for _, o := range list.Items {
			out = append(out, display(o.Entitlement))
		}
		return out, err
	})
}

func (p *program) completeGrants(cmd *cobra.Command, typed []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return p.candidates(cmd, typed, true, func(ctx context.Context, c *client.Client) (out []cobra.Completion, err error) {
		grants, _, err := listGrants(ctx, c, client.ListGrantsParamsScopeMine, false)
		for _, g := range grants {
			out = append(out, cobra.CompletionWithDesc(display(access.Short(access.GrantID(g.ID))), display(g.Entitlement)))
		}
		return out, err
	})
}

func (p *program) completeToReview(cmd *cobra.Command, typed []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return p.completeRequests(cmd, typed, client.ListRequestsParamsScopeToReview)
}

func (p *program) completeMine(cmd *cobra.Command, typed []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return p.completeRequests(cmd, typed, client.ListRequestsParamsScopeMine)
}

func (p *program) completeRequests(cmd *cobra.Command, typed []string, scope client.ListRequestsParamsScope) ([]cobra.Completion, cobra.ShellCompDirective) {
	return p.candidates(cmd, typed, true, func(ctx context.Context, c *client.Client) (out []cobra.Completion, err error) {
		requests, _, err := listRequests(ctx, c, scope)
		for _, r := range requests {
			if r.State == client.RequestStatePending {
				out = append(out, cobra.CompletionWithDesc(display(access.Short(access.RequestID(r.ID))), display(who(r)+" "+asked(r))))
			}
		}
		return out, err
	})
}

// completeDelegations has those that are not over.
func (p *program) completeDelegations(cmd *cobra.Command, typed []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return p.candidates(cmd, typed, true, func(ctx context.Context, c *client.Client) (out []cobra.Completion, err error) {
		list, err := listDelegations(ctx, c, client.ListDelegationsParamsScopeMade, client.ListDelegationsParamsScopeReceived)
		for _, d := range list.Items {
			if d.EndedAt.IsZero() && time.Now().Before(d.Until) {
				out = append(out, cobra.CompletionWithDesc(display(access.Short(access.DelegationID(d.ID))), display(d.Absent+" to "+d.Delegate)))
			}
		}
		return out, err
	})
}
