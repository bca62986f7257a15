package web

import (
	"net/http"

	"github.com/curfewhq/curfew/internal/access"
)

// account is who somebody is to Curfew.
type account struct {
	access.Principal
	Roles []access.Role
	// Browser is this one, Since when they signed in, Until when that ends in any case, and Rest how long it may not be used.
	Browser      string
	Since, Until moment
	Rest         string
}

func (h *Handler) account(w http.ResponseWriter, _ *http.Request, caller access.Caller) error {
	in := h.config.Directory()
	a := account{
		Principal: caller.Principal, Browser: caller.Session.Label, Since: h.moment(caller.Session.CreatedAt), Until: h.moment(caller.Session.EndsAt),
		Rest: span(in.Limits().Idle),
	}
	for _, role := range []access.Role{access.RoleAdmin, access.RoleAuditor} {
		if in.HasRole(caller.Principal, role) {
			a.Roles = append(a.Roles, role)
		}
	}
	return h.showOwn(w, caller, "account.html", screen{Title: "Your account", Here: accountPath, Data: a})
}
