package server

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/changecontrol"
	"github.com/curfewhq/curfew/internal/config"
)

// ApproveByHand puts a configuration in force on the word of who holds the machine and its key, whomever it widens, and says on
// out what follows. Servers that run take it over by themselves.
func ApproveByHand(ctx context.Context, c *config.Config, reason string, out io.Writer) (err error) {
	if reason == "" || len(reason) > access.MaxReason {
		return access.Errorf(access.KindInvalid, "say why, in at most %d bytes: the audit log has it", access.MaxReason)
	}
	keys, err := OpenKeys(ctx, c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, keys.Close()) }()
	control := changecontrol.New(changecontrol.Config{Store: keys.store, Books: keys.engine, Sealer: keys.sealer, Tenant: access.DefaultTenant})
	v, err := versionOf(c)
	if err != nil {
		return err
	}
	plan, err := control.Order(ctx, v, changecontrol.ByOperator, reason)
	if err != nil {
		return err
	}
	if err := control.Carry(ctx, plan); err != nil {
		return err
	}
	text := "The configuration %.12s is in force, and the audit log says that it was put there by hand.\nServers that run take it over within seconds; others serve it when they start.\n"
	if plan.Stays {
		text = "The configuration %.12s is in force already; what waited is withdrawn.\n"
	}
	_, err = fmt.Fprintf(out, text, c.Digest)
	return err
}
