package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/curfewhq/curfew/internal/access"
)

// routes is the table of what the API can do. Beside it stand /healthz, /readyz and the OpenAPI document; see New.
func (s *surface) routes(a huma.API) {
	const get, post = http.MethodGet, http.MethodPost

	route(s, a, get, "/v1/whoami", 200, anyScope, "whoami", "Who the token belongs to", s.whoami)
	route(s, a, get, "/v1/entitlements", 200, access.ScopeRead, "list-entitlements", "What I can ask for", s.listEntitlements, s.search)
	route(s, a, post, "/v1/decisions", 200, access.ScopeRead, "explain", "What would be decided if I asked now, policy by policy", s.decide, s.search)

	route(s, a, post, "/v1/requests", 201, access.ScopeRequest, "submit-request", "Ask for access", s.submitRequest)
	route(s, a, get, "/v1/requests", 200, access.ScopeRead, "list-requests", "List requests, newest first", s.listRequests)
	route(s, a, get, "/v1/requests/{id}", 200, access.ScopeRead, "get-request", "Read a request, or wait until it is settled", s.getRequest)
	route(s, a, post, "/v1/requests/{id}/reviews", 201, access.ScopeReview, "review-request", "Approve or deny a request", s.reviewRequest)
	route(s, a, post, "/v1/requests/{id}/withdraw", 200, access.ScopeRequest, "withdraw-request", "Take back a request of mine", s.withdrawRequest)

	route(s, a, post, "/v1/requests/{id}/confirmation", 201, access.ScopeRequest, "confirm-request", "Begin to confirm a request of mine, or of my agent, with a passkey", s.confirmRequest)
	route(s, a, post, "/v1/requests/{id}/reviews/confirmation", 201, access.ScopeReview, "confirm-review", "Begin to approve or deny a request, and to confirm that with a passkey", s.confirmReview)

	route(s, a, get, "/v1/grants", 200, access.ScopeRead, "list-grants", "List grants, newest first", s.listGrants)
	route(s, a, get, "/v1/grants/{id}", 200, access.ScopeRead, "get-grant", "Read a grant", s.getGrant)
	route(s, a, post, "/v1/grants/{id}/extend", 200, access.ScopeRequest, "extend-grant", "Let a grant of mine live longer", s.extendGrant)
	route(s, a, post, "/v1/grants/{id}/return", 200, access.ScopeRequest, "return-grant", "Give a grant of mine back early", s.returnGrant)
	route(s, a, post, "/v1/grants/{id}/revoke", 200, access.ScopeAdmin, "revoke-grant", "Take a grant back", s.revokeGrant)
	route(s, a, post, "/v1/grants/{id}/attest", 200, access.ScopeAdmin, "attest-grant", "Attest that the target of a grant no longer exists", s.attestGrant)
	route(s, a, post, "/v1/grants/{id}/credential", 200, access.ScopeCredential, "issue-credential", "Get a grant's credential, sealed to a key of mine", s.issueCredential)

	route(s, a, get, "/v1/findings", 200, access.ScopeRead, "list-findings", "List what the targets show and the books do not explain, newest first", s.listFindings)
	route(s, a, post, "/v1/findings/{id}/accept", 200, access.ScopeAdmin, "accept-finding", "Say that what was found may stay", s.acceptFinding)

	route(s, a, post, "/v1/revocations", 201, access.ScopeAdmin, "freeze", "Take back and freeze the access of a person, behind a connector, or all of it", s.freeze)
	route(s, a, get, "/v1/freezes", 200, access.ScopeRead, "list-freezes", "List what is frozen, newest first", s.listFreezes)
	route(s, a, post, "/v1/freezes/{id}/lift", 204, access.ScopeAdmin, "lift-freeze", "Lift a freeze", s.liftFreeze)

	route(s, a, post, "/v1/delegations", 201, access.ScopeReview, "delegate", "Have another human review in my stead", s.delegate)
	route(s, a, get, "/v1/delegations", 200, access.ScopeRead, "list-delegations", "List who reviews in whose stead, newest first", s.listDelegations)
	route(s, a, post, "/v1/delegations/{id}/end", 200, access.ScopeReview, "end-delegation", "End a delegation early", s.endDelegation)

	route(s, a, get, "/v1/events", 200, access.ScopeRead, "list-events", "Read the audit log, or follow it", s.listEvents, s.search, s.stream)
	route(s, a, get, "/v1/audit/checkpoint", 200, access.ScopeRead, "get-checkpoint", "Read the newest checkpoint of the audit log", s.getCheckpoint)
	route(s, a, get, "/v1/audit/inclusion", 200, access.ScopeRead, "prove-inclusion", "Prove that an entry is in the audit log", s.proveInclusion)
	route(s, a, get, "/v1/audit/consistency", 200, access.ScopeRead, "prove-consistency", "Prove that the audit log begins with what it was", s.proveConsistency)
	route(s, a, get, "/v1/audit/export", 200, access.ScopeRead, "export-audit", "Export the audit log with its proofs, as lines of JSON", s.exportAudit, s.search)

	route(s, a, get, "/v1/sessions", 200, access.ScopeRead, "list-sessions", "List where I am signed in and what tokens I had made, newest first", s.listSessions)
	route(s, a, post, "/v1/sessions/{id}/end", 204, anyScope, "end-session", "End a session or a token of mine", s.endSession)
	route(s, a, post, "/v1/sessions/end", 200, access.ScopeAdmin, "end-sessions", "Sign out everywhere, and end all tokens that I had made", s.endSessions)
	route(s, a, post, "/v1/tokens", 201, access.ScopeAdmin, "make-token", "Make a token for a program of mine", s.makeToken)

	route(s, a, get, "/v1/passkeys", 200, access.ScopeRead, "list-passkeys", "List my passkeys, oldest first", s.listPasskeys)
	route(s, a, post, "/v1/passkeys", 201, access.ScopeAdmin, "add-passkey", "Begin to register a passkey", s.addPasskey)
	route(s, a, post, "/v1/passkeys/{id}/remove", 201, access.ScopeAdmin, "remove-passkey", "Begin to remove a passkey of mine", s.removePasskey)
	route(s, a, post, "/v1/passkeys/recovery-codes", 201, access.ScopeAdmin, "make-recovery-codes", "Begin to make new recovery codes, by which the old ones are void", s.makeRecoveryCodes)
	route(s, a, post, "/v1/passkeys/invitations", 201, access.ScopeAdmin, "invite-passkey", "Let somebody register a first passkey", s.invitePasskey)
	route(s, a, get, "/v1/ceremonies/{id}", 200, access.ScopeRead, "get-ceremony", "See how far something is that I do in a browser", s.getCeremony)
	route(s, a, post, "/v1/persons/link", 200, access.ScopeAdmin, "link-persons", "Make two accounts one person's", s.link, s.prove)
	route(s, a, post, "/v1/persons/unlink", 200, access.ScopeAdmin, "unlink-person", "Make an account a person of its own again", s.unlink)

	route(s, a, get, "/v1/config", 200, access.ScopeRead, "get-config", "See which version of the configuration is in force, and which waits", s.getConfig, s.search)
	route(s, a, post, "/v1/config/approve", 200, access.ScopeAdmin, "approve-config", "Agree to the version of the configuration that waits", s.approveConfig)
	route(s, a, post, "/v1/config/reject", 200, access.ScopeAdmin, "reject-config", "Withdraw the version of the configuration that waits", s.rejectConfig)

	route(s, a, post, "/v1/erasures", 201, access.ScopeAdmin, "forget-person", "Have a person forgotten, or say what that would change", s.erase)
	route(s, a, get, "/v1/erasures/{id}", 200, access.ScopeRead, "get-erasure", "See how far a person has been forgotten", s.getErasure)
	describeStream(a.OpenAPI().Paths["/v1/events"].Get)
}

// anyScope is of a route that every token may use.
const anyScope access.Scope = ""

// confine keeps a token to what it was made for.
func (s *surface) confine(scope access.Scope) func(huma.Context, func(huma.Context)) {
	return func(hc huma.Context, next func(huma.Context)) {
		if err := refuseConfined(callerOf(hc.Context()).Session, scope); err != nil {
			_, w := humago.Unwrap(hc)
			writeProblem(w, s.problem(hc.Context(), err))
			return
		}
		next(hc)
	}
}

// refuseConfined is an error where a session is confined to other things than the scope covers.
func refuseConfined(s access.Session, scope access.Scope) error {
	if scope == anyScope || s.May(scope) {
		return nil
	}
	return access.Errorf(access.KindDenied, "This token is not made for that: it lacks the scope %q.", scope)
}

// route registers one operation. Its errors leave through problem, whatever they are. What stands before it may answer in
// its place.
func route[I, O any](s *surface, a huma.API, method, path string, status int, scope access.Scope, id, summary string, handle func(context.Context, *I) (*O, error), before ...func(huma.Context, func(huma.Context))) {
	op := huma.Operation{
		OperationID: id, Method: method, Path: path, Summary: summary, DefaultStatus: status,
		Responses: map[string]*huma.Response{"default": problemResponse(a.OpenAPI().Components.Schemas)},
		// limitBody has read the body already, within its own bounds. huma's read deadline would cancel calls that wait.
		MaxBodyBytes: maxBody + 1, BodyReadTimeout: -1, Middlewares: append(huma.Middlewares{s.confine(scope)}, before...),
	}
	if scope != anyScope {
		op.Description = "A token that is confined needs the scope \"" + string(scope) + "\"."
	}
	huma.Register(a, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := handle(ctx, in)
		if err != nil {
			return nil, s.problem(ctx, err)
		}
		return out, nil
	})
}
