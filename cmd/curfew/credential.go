package main

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/api/client"
	"github.com/curfewhq/curfew/internal/secret"
)

// credentialWait is how long credential waits for a grant that is still being activated.
const credentialWait = 30 * time.Second

func (p *program) credentialCommand() *cobra.Command {
	var asEnv bool
	cmd := &cobra.Command{
		Use:   "credential GRANT",
		Short: "Show the credential of a grant of mine",
		Long: `Show the credential of a grant of mine.

It is sealed by the server to a key that only this machine has, and opened here. Elsewhere, with another key,
the target issues a new credential, and this one stops working.`,
		Example:           `  eval "$(curfew credential orders-db/orders:read --env)"`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: p.completeGrants,
		RunE: func(cmd *cobra.Command, args []string) error {
			if asEnv && p.wantsJSON() {
				return usagef("--env and -o json are two forms of output; give one")
			}
			cred, err := p.credential(cmd.Context(), args[0])
			switch {
			case err != nil:
				return err
			case asEnv:
				return p.printExports(cred)
			case p.wantsJSON():
				return p.printJSON(cred)
			}
			return p.showCredential(args[0], cred)
		},
	}
	cmd.Flags().BoolVar(&asEnv, "env", false, "print export lines for a shell's eval")
	return cmd
}

// credential fetches a grant's credential and opens it.
func (p *program) credential(ctx context.Context, typed string) (access.Credential, error) {
	c, err := p.connect()
	if err != nil {
		return access.Credential{}, err
	}
	keys, err := p.openKeyring()
	if err != nil {
		return access.Credential{}, err
	}
	defer keys.close()
	if err := keys.prune(time.Now()); err != nil {
		return access.Credential{}, err
	}
	g, err := findGrant(ctx, c, typed)
	if err != nil {
		return access.Credential{}, err
	}
	r, err := activated(ctx, c, g)
	if err != nil {
		return access.Credential{}, err
	}
	key, err := keyFor(keys, r)
	if err != nil {
		return access.Credential{}, err
	}
	sealed, err := decode[client.SealedCredential](c.IssueCredential(ctx, g.ID, client.CredentialBody{Recipient: key.Public()}))
	if err != nil {
		return access.Credential{}, err
	}
	return open(key, g, sealed)
}

// activated waits for the grant to be past its activation, and returns its request.
func activated(ctx context.Context, c *client.Client, g client.Grant) (client.Request, error) {
	wait := time.Duration(0)
	if starting(g) {
		wait = credentialWait
	}
	return waitOnce(ctx, c, g.Request, wait)
}

// keyFor finds the key that came with the request, or makes one.
func keyFor(keys *keyring, r client.Request) (*secret.RecipientKey, error) {
	key, err := keys.find(r.ID, r.Recipient)
	if err != nil || key != nil {
		return key, err
	}
	if key, err = keys.create(keyUntil(r)); err != nil {
		return nil, err
	}
	return key, keys.adopt(key, r.ID, keyUntil(r))
}

// open decrypts a credential, which must be the grant's that was asked about.
func open(key *secret.RecipientKey, g client.Grant, sealed client.SealedCredential) (access.Credential, error) {
	if sealed.Grant != g.ID || sealed.Principal != g.Principal {
		return access.Credential{}, access.Errorf(access.KindUnavailable, "the server answered with the credential of another grant")
	}
	principal, err := access.ParsePrincipalID(sealed.Principal)
	if err != nil {
		return access.Credential{}, err
	}
	plaintext, err := key.Open(secret.Binding{
		Tenant: access.TenantID(sealed.Tenant), Grant: access.GrantID(sealed.Grant), Principal: principal, Attempt: int(sealed.Attempt),
	}, sealed.Ciphertext)
	if err != nil {
		return access.Credential{}, err
	}
	defer clear(plaintext)
	var cred access.Credential
	if err := json.Unmarshal(plaintext, &cred); err != nil {
		// The error of the JSON could show a piece of the secret.
		return access.Credential{}, access.Errorf(access.KindInternal, "the credential has a form that this version of curfew does not know; update it")
	}
	return cred, nil
}

// showCredential prints what a person types somewhere. What is for programs has a form of its own.
func (p *program) showCredential(typed string, c access.Credential) error {
	rows := [][]string{}
	for _, row := range [][]string{{"username", c.Username}, {"password", c.Password}, {"uri", c.URI}} {
		if row[1] != "" {
			rows = append(rows, row)
		}
	}
	if err := p.table(nil, rows); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(c.Files)) {
		p.say("For a command that wants %s: curfew exec %s -- COMMAND", name, typed)
	}
	if len(c.Env) > 0 {
		p.say("For a shell: eval \"$(curfew credential %s --env)\"", typed)
	}
	return nil
}

// printExports prints lines for the eval of a POSIX shell.
func (p *program) printExports(cred access.Credential) error {
	if len(cred.Env) == 0 {
		return access.Errorf(access.KindNotFound, "this credential has nothing for the environment; use it without --env")
	}
	if err := cred.CheckVariables(); err != nil {
		return err
	}
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(cred.Env)) {
		b.WriteString("export " + name + "='" + strings.ReplaceAll(cred.Env[name], "'", `'\''`) + "'\n")
	}
	_, err := p.stdout.Write([]byte(b.String()))
	return err
}
