package ldap

import (
	"context"
	"errors"
	"fmt"

	protocol "github.com/go-ldap/ldap/v3"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/ldapdial"
)

// fail gives an error of the server, or of the way to it, its kind. The cause keeps the server's result code and message.
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
	if errors.Is(err, errBlind) {
		return say(access.KindMisconfigured, "its account may not see who is a member. An operator must grant that; the connector's page has the rules.")
	}
	if ldapdial.Untrusted(err) {
		return say(access.KindMisconfigured, "nobody vouches for the server's certificate. An operator must name the authority's in ca_file, or correct the url.")
	}
	var result *protocol.Error
	if !errors.As(err, &result) || result.ResultCode >= protocol.ErrorNetwork {
		return say(access.KindUnavailable, "the server cannot be reached.")
	}
	switch result.ResultCode {
	case protocol.LDAPResultInsufficientAccessRights:
		return say(access.KindMisconfigured, "its account lacks a right. An operator must grant it; the connector's page has the rules.")
	case protocol.LDAPResultInvalidCredentials, protocol.LDAPResultInappropriateAuthentication:
		return say(access.KindMisconfigured, "the server refuses the log-in of its account. An operator must correct bind_dn or password.")
	case protocol.LDAPResultConfidentialityRequired, protocol.LDAPResultStrongAuthRequired:
		return say(access.KindMisconfigured, "the server wants TLS. An operator must write ldaps:// or start_tls: true.")
	case protocol.LDAPResultNoSuchObject:
		return say(access.KindMisconfigured, "an entry is not there, or may not be seen.")
	case protocol.LDAPResultReferral:
		return say(access.KindMisconfigured, "the server refers to another one. The url must lead to a server that can be written to.")
	case protocol.LDAPResultAdminLimitExceeded, protocol.LDAPResultSizeLimitExceeded:
		return say(access.KindExhausted, "a limit of the server is exceeded.")
	case protocol.LDAPResultTimeLimitExceeded:
		return say(access.KindTimeout, "the server took too long.")
	case protocol.LDAPResultObjectClassViolation, protocol.LDAPResultConstraintViolation, protocol.LDAPResultUnwillingToPerform:
		return say(access.KindMisconfigured, "the server refuses the change: its schema or a rule of its own forbids it.")
	case protocol.LDAPResultBusy, protocol.LDAPResultUnavailable, protocol.LDAPResultOther:
		return say(access.KindUnavailable, "the server is going down, starting up or broken.")
	}
	return say(access.KindInternal, "the server refused it.")
}
