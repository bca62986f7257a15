package ldap

import (
	"context"
	"errors"
	"fmt"

	protocol "github.com/go-ldap/ldap/v3"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/ldapdial"
)

// pageSize is how many entries a server is asked for at once (RFC 2696). Active Directory gives no more than 1,000.
const pageSize = 500

// each calls f with each entry below the base that the filter fits, page by page.
func (r *reading) each(base, filter string, attributes []string, f func(*protocol.Entry) error) error {
	paging := protocol.NewControlPaging(pageSize)
	for {
		request := protocol.NewSearchRequest(base, protocol.ScopeWholeSubtree, protocol.NeverDerefAliases, 0, 0, false,
			filter, attributes, []protocol.Control{paging})
		page, err := r.Search(request)
		if err != nil {
			return err
		}
		// A base in Active Directory that has other naming contexts below it refers to them with every answer; those are no part of it.
		if len(page.Referrals) > 0 && !r.active {
			return access.Errorf(access.KindMisconfigured, "The directory has a part of what is below %q on another server; point the url at a server that has it all.", base)
		}
		for _, e := range page.Entries {
			if err := f(e); err != nil {
				return err
			}
		}
		control, paged := protocol.FindControl(page.Controls, protocol.ControlTypePaging).(*protocol.ControlPaging)
		if !paged || len(control.Cookie) == 0 {
			return nil
		}
		paging.SetCookie(control.Cookie)
	}
}

// explain gives an error of the server, or of the way to it, its kind. Nobody but operators sees it.
func explain(ctx context.Context, err error) error {
	var already *access.Error
	if errors.As(err, &already) {
		return err
	}
	say := func(kind access.Kind, what string) error {
		return access.Wrap(kind, err, "The directory cannot be read: "+what)
	}
	switch {
	case ctx.Err() != nil:
		return say(access.KindTimeout, "its time ran out or it was cancelled.")
	case ldapdial.Untrusted(err):
		return say(access.KindMisconfigured, "nobody vouches for the server's certificate. Name the authority's in ca_file, or correct the url.")
	}
	var result *protocol.Error
	if !errors.As(err, &result) {
		return say(access.KindMisconfigured, "something in it cannot be kept.")
	}
	switch code := result.ResultCode; {
	case code >= protocol.ErrorNetwork:
		return say(access.KindUnavailable, "the server cannot be reached.")
	case code == protocol.LDAPResultInvalidCredentials:
		return say(access.KindMisconfigured, "the server refuses the log-in. Correct bind_dn or password.")
	case code == protocol.LDAPResultConfidentialityRequired || code == protocol.LDAPResultStrongAuthRequired:
		return say(access.KindMisconfigured, "the server wants TLS. Write ldaps:// or start_tls: true.")
	case code == protocol.LDAPResultSizeLimitExceeded || code == protocol.LDAPResultAdminLimitExceeded || code == protocol.LDAPResultTimeLimitExceeded:
		return say(access.KindExhausted, "a limit of the server cuts it short. Raise it for Curfew's account, or confine base and filter.")
	case code == protocol.LDAPResultNoSuchObject:
		return say(access.KindMisconfigured, "a base is not there, or may not be seen.")
	case code == protocol.LDAPResultInsufficientAccessRights:
		return say(access.KindMisconfigured, "Curfew's account may not read it.")
	}
	return say(access.KindUnavailable, fmt.Sprintf("the server answers %q.", protocol.LDAPResultCodeMap[result.ResultCode]))
}
