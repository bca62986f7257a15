package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/api/client"
)

// missingMFA stands among what a request waits for.
const missingMFA = "mfa"

func (p *program) confirmCommand() *cobra.Command {
	var noBrowser bool
	cmd := &cobra.Command{
		Use:   "confirm ID",
		Short: "Confirm a request of mine, or of an agent of mine, with a passkey",
		Long: `Confirm a request of mine, or of an agent of mine, with a passkey.

A policy can demand that. It happens in a browser: the page shows what is asked for, and this waits until it is confirmed.`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: p.completeMine,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := p.connect()
			if err != nil {
				return err
			}
			id, err := findRequest(cmd.Context(), c, args[0])
			if err != nil {
				return err
			}
			if err := p.confirmRequest(cmd.Context(), c, id, noBrowser); err != nil {
				return err
			}
			return p.showAfter(cmd.Context(), c, id, p.tellRequest)
		},
	}
	noBrowserFlag(cmd, &noBrowser)
	return cmd
}

func noBrowserFlag(cmd *cobra.Command, to *bool) {
	cmd.Flags().BoolVar(to, "no-browser", false, "print the address and open no browser")
}

// waitsForMe reports whether a request waits for the confirmation of who asks.
func waitsForMe(r client.Request) bool {
	return r.State == client.RequestStatePending && slices.Contains(r.Missing, missingMFA)
}

// confirmRequest has a request confirmed in a browser.
func (p *program) confirmRequest(ctx context.Context, c *client.Client, id string, noBrowser bool) error {
	return p.inBrowser(ctx, c, noBrowser)(decode[client.Ceremony](c.ConfirmRequest(ctx, id)))
}

// confirmed has a request confirmed that waits for it, and returns it as it stands then. What an agent asks for is confirmed by
// its human, elsewhere.
func (p *program) confirmed(ctx context.Context, c *client.Client, r client.Request, noBrowser bool) (client.Request, error) {
	if !waitsForMe(r) {
		return r, nil
	}
	err := p.confirmRequest(ctx, c, r.ID, noBrowser)
	if access.KindOf(err) == access.KindDenied {
		fmt.Fprintf(p.stderr, "Not confirmed: %s\n", display(access.SafeMessage(err)))
		return r, nil
	}
	if err != nil {
		return r, goesOn(r, err)
	}
	return decode[client.Request](c.GetRequest(ctx, r.ID, nil))
}

// showAfter shows a request after something was done to it.
func (p *program) showAfter(ctx context.Context, c *client.Client, id string, tell func(client.Request)) error {
	r, err := decode[client.Request](c.GetRequest(ctx, id, nil))
	switch {
	case err != nil:
		return err
	case p.wantsJSON():
		return p.printJSON(r)
	}
	tell(r)
	return nil
}

// ceremonyStep is how long lies between two looks at a ceremony.
const ceremonyStep = time.Second

// inBrowser returns what takes a ceremony that was begun, shows its page, and waits until it is done.
func (p *program) inBrowser(ctx context.Context, c *client.Client, noBrowser bool) func(client.Ceremony, error) error {
	return func(begun client.Ceremony, err error) error {
		if err != nil {
			return err
		}
		if !isPage(begun.URL) {
			return access.Errorf(access.KindUnavailable, "the server names no page on which to confirm it: check server.url in its configuration")
		}
		fmt.Fprintf(p.stderr, "Confirm it here:\n\n  %s\n\n", display(begun.URL))
		if !noBrowser && openBrowser(ctx, p.getenv, begun.URL) {
			fmt.Fprintln(p.stderr, "Your browser shows that page; this waits for you.")
		} else {
			fmt.Fprintln(p.stderr, "Open it in a browser that has your passkey; this waits for you.")
		}
		return p.awaitCeremony(ctx, c, begun)
	}
}

func (p *program) awaitCeremony(ctx context.Context, c *client.Client, now client.Ceremony) error {
	show := p.newProgress()
	defer show.stop()
	show.set("waiting for your passkey")
	tick := time.NewTicker(ceremonyStep)
	defer tick.Stop()
	for {
		switch now.State {
		case client.CeremonyStateDone:
			return nil
		case client.CeremonyStateRefused:
			return refusedCeremony(now)
		default:
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("it was not confirmed: %w", context.Canceled)
		case <-tick.C:
		}
		next, err := decode[client.Ceremony](c.GetCeremony(ctx, now.ID))
		if err != nil {
			return err
		}
		now = next
	}
}

// refusedCeremony is the error that a ceremony has come to: of time, if nobody did anything.
func refusedCeremony(c client.Ceremony) error {
	kind := access.KindDenied
	if !time.Now().Before(c.Until) {
		kind = access.KindTimeout
	}
	return access.Errorf(kind, "it was not confirmed: %s", c.Why)
}

// begin is how a ceremony is begun.
type begin func(ctx context.Context, c *client.Client) (client.Ceremony, error)

// ceremony has something done in a browser, and says so.
func (p *program) ceremony(ctx context.Context, noBrowser bool, do begin, done string) error {
	c, err := p.connect()
	if err != nil {
		return err
	}
	if err := p.inBrowser(ctx, c, noBrowser)(do(ctx, c)); err != nil {
		return err
	}
	if p.wantsJSON() {
		return p.showPasskeys(ctx, c)
	}
	p.say("%s", done)
	return nil
}
