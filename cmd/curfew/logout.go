package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/api/client"
)

func (p *program) logoutCommand() *cobra.Command {
	var everywhere, provider, noBrowser bool
	cmd := &cobra.Command{
		Use:   "logout",
		Short: "Sign out, here or everywhere",
		Long: `Sign out here: the session ends at the server, and its token is forgotten.

With --everywhere all your sessions end, on every machine, and so do the tokens that you had made. With --provider your browser
then shows the page at which you sign out at your identity provider too; without that, whoever has your browser can sign in again.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if noBrowser && !provider {
				return usagef("--no-browser says how to go on with --provider")
			}
			server, said, err := p.signOut(cmd.Context(), everywhere)
			if err != nil {
				return err
			}
			p.say("%s", said)
			if provider {
				p.signOutAtProvider(cmd.Context(), server, noBrowser)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&everywhere, "everywhere", false, "end all my sessions and tokens")
	cmd.Flags().BoolVar(&provider, "provider", false, "sign out at the identity provider too, in the browser")
	cmd.Flags().BoolVar(&noBrowser, "no-browser", false, "with --provider: print the address, and open no browser on this machine")
	return cmd
}

// signedOut is what people read when their token is good for nothing any more.
const signedOut = "Signed out."

// signOut ends the session, or all of them, and forgets its token. It returns the server that it was at, and what to say.
func (p *program) signOut(ctx context.Context, everywhere bool) (server, said string, err error) {
	list, err := p.readProfiles()
	if err != nil {
		return "", "", err
	}
	one, found, err := p.chosen(list)
	if err != nil {
		return "", "", err
	}
	if p.getenv("CURFEW_TOKEN") == "" && !found {
		return "", "", access.Errorf(access.KindNotFound, "you are not signed in; `curfew profiles` shows where you are")
	}
	server, token, err := p.server()
	if err == nil {
		said, err = p.endSessions(ctx, server, token, everywhere)
	}
	// A session that has ended already, or of which the token is gone, is what was wanted.
	if access.KindOf(err) == access.KindUnauthenticated {
		server, said, err = cmp.Or(server, one.URL), signedOut, nil
	}
	if found && (err == nil || access.KindOf(err) == access.KindUnavailable) && p.getenv("CURFEW_TOKEN") == "" {
		err = errors.Join(err, p.dropToken(one))
	}
	return server, said, err
}

// endSessions ends the session of the token, or all that its owner has, and returns what to say.
func (p *program) endSessions(ctx context.Context, server, token string, everywhere bool) (said string, err error) {
	c, err := p.clientFor(server, token, callTimeout)
	if err != nil {
		return "", err
	}
	if !everywhere {
		return signedOut, discard(c.EndSession(ctx, "current"))
	}
	if _, err := decode[client.EndedSessions](c.EndSessions(ctx)); err != nil {
		return "", err
	}
	// Only a token of the configuration outlives all sessions.
	if discard(c.Whoami(ctx)) == nil {
		return "All your sessions and tokens have ended but this one, which is of the configuration: it ends when it is taken out there.", nil
	}
	return signedOut, nil
}

// signOutAtProvider shows the page from which the server sends people on to their identity provider.
func (p *program) signOutAtProvider(ctx context.Context, server string, noBrowser bool) {
	page := server + "/oauth/logout"
	fmt.Fprintf(p.stderr, "Sign out at your identity provider here:\n\n  %s\n\n", display(page))
	if !noBrowser && openBrowser(ctx, p.getenv, page) {
		fmt.Fprintln(p.stderr, "Your browser shows that page.")
		return
	}
	fmt.Fprintln(p.stderr, "Open it in the browser in which you have signed in.")
}
