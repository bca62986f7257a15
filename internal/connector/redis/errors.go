package redis

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"

	protocol "github.com/redis/go-redis/v9"

	"github.com/curfewhq/curfew/internal/access"
)

// fail gives an error of the server, or of the way to it, its kind. The cause keeps the server's sentence, which repeats of a
// command at most the rule that it does not know.
func (d *driver) fail(ctx context.Context, err error, doing string) error {
	var already *access.Error
	if err == nil || errors.As(err, &already) {
		return err
	}
	say := func(kind access.Kind, what string) error {
		return access.Wrap(kind, err, fmt.Sprintf("The connector %s cannot %s: %s", d.name, doing, what))
	}
	if ctx.Err() != nil {
		return say(access.KindOf(ctx.Err()), "its time ran out or it was cancelled.")
	}
	if _, untrusted := errors.AsType[*tls.CertificateVerificationError](err); untrusted {
		return say(access.KindMisconfigured, "nobody vouches for the server's certificate. An operator must name the authority's in ca_file, or correct the url.")
	}
	answer, ok := errors.AsType[protocol.Error](err)
	switch {
	case errors.Is(err, errUnreadable):
		return say(access.KindMisconfigured, "the server is not Redis 7.0 or newer.")
	case errors.Is(err, protocol.TxFailedErr):
		return say(access.KindTimeout, "the order came too late, or somebody removed the key that it lives by. It had no effect.")
	case !ok:
		return say(access.KindUnavailable, "the server cannot be reached.")
	}
	return say(kindOfAnswer(answer.Error()))
}

// kindOfAnswer reads what the server said. Its first word is a code; where that is only ERR, the sentence tells.
func kindOfAnswer(said string) (access.Kind, string) {
	code, _, _ := strings.Cut(said, " ")
	switch code {
	case "NOPERM":
		return access.KindMisconfigured, "its account lacks a permission. An operator must grant it; the connector's page has the statements."
	case "EXECABORT":
		return access.KindMisconfigured, "its account lacks a permission, or the server has no such command. The connector's page has the statements."
	case "WRONGPASS", "NOAUTH":
		return access.KindMisconfigured, "the server refuses the log-in of its account. An operator must correct username or password."
	case "READONLY":
		return access.KindMisconfigured, "the server is a replica. The url must lead to the primary."
	case "MOVED", "ASK", "CLUSTERDOWN", "CROSSSLOT":
		return access.KindMisconfigured, "the server is part of a cluster, whose nodes each have users of their own. Clusters are not supported."
	case "OOM":
		return access.KindExhausted, "the server is out of memory."
	case "LOADING", "BUSY", "MISCONF", "MASTERDOWN", "TRYAGAIN", "NOREPLICAS":
		return access.KindUnavailable, "the server is starting up, busy, or cannot write."
	}
	switch {
	case strings.Contains(said, "max number of clients"):
		return access.KindExhausted, "the server is out of connections."
	case strings.Contains(said, "ACL SETUSER modifier"):
		return access.KindMisconfigured, "the server does not know a rule of the permission. An operator must correct the connector's resources."
	}
	return access.KindInternal, "the server refused it."
}
