package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
)

// routes is the table of what the API can do. Beside it stand /healthz, /readyz and the OpenAPI document; see New.
func (s *surface) routes(a huma.API) {
	const get, post = http.MethodGet, http.MethodPost

	route(s, a, get, "/v1/whoami", 200, "whoami", "Who the token belongs to", s.whoami)
	route(s, a, get, "/v1/entitlements", 200, "list-entitlements", "What I can ask for", s.listEntitlements)

	route(s, a, post, "/v1/requests", 201, "submit-request", "Ask for access", s.submitRequest)
	route(s, a, get, "/v1/requests", 200, "list-requests", "List requests, newest first", s.listRequests)
	route(s, a, get, "/v1/requests/{id}", 200, "get-request", "Read a request, or wait until it is settled", s.getRequest)
	route(s, a, post, "/v1/requests/{id}/reviews", 201, "review-request", "Approve or deny a request", s.reviewRequest)
	route(s, a, post, "/v1/requests/{id}/withdraw", 200, "withdraw-request", "Take back a request of mine", s.withdrawRequest)

	route(s, a, get, "/v1/grants", 200, "list-grants", "List grants, newest first", s.listGrants)
	route(s, a, get, "/v1/grants/{id}", 200, "get-grant", "Read a grant", s.getGrant)
	route(s, a, post, "/v1/grants/{id}/extend", 200, "extend-grant", "Let a grant of mine live longer", s.extendGrant)
	route(s, a, post, "/v1/grants/{id}/return", 200, "return-grant", "Give a grant of mine back early", s.returnGrant)
	route(s, a, post, "/v1/grants/{id}/revoke", 200, "revoke-grant", "Take a grant back", s.revokeGrant)
	route(s, a, post, "/v1/grants/{id}/attest", 200, "attest-grant", "Attest that the target of a grant no longer exists", s.attestGrant)
	route(s, a, post, "/v1/grants/{id}/credential", 200, "issue-credential", "Get a grant's credential, sealed to a key of mine", s.issueCredential)

	route(s, a, get, "/v1/findings", 200, "list-findings", "List what the targets show and the books do not explain, newest first", s.listFindings)
	route(s, a, post, "/v1/findings/{id}/accept", 200, "accept-finding", "Say that what was found may stay", s.acceptFinding)

	route(s, a, post, "/v1/revocations", 201, "freeze", "Take back and freeze the access of a person, behind a connector, or all of it", s.freeze)
	route(s, a, get, "/v1/freezes", 200, "list-freezes", "List what is frozen, newest first", s.listFreezes)
	route(s, a, post, "/v1/freezes/{id}/lift", 204, "lift-freeze", "Lift a freeze", s.liftFreeze)

	route(s, a, get, "/v1/events", 200, "list-events", "Read the audit log, or follow it", s.listEvents, s.stream)
	route(s, a, get, "/v1/audit/checkpoint", 200, "get-checkpoint", "Read the newest checkpoint of the audit log", s.getCheckpoint)
	route(s, a, get, "/v1/audit/inclusion", 200, "prove-inclusion", "Prove that an entry is in the audit log", s.proveInclusion)
	route(s, a, get, "/v1/audit/consistency", 200, "prove-consistency", "Prove that the audit log begins with what it was", s.proveConsistency)
	route(s, a, get, "/v1/audit/export", 200, "export-audit", "Export the audit log with its proofs, as lines of JSON", s.exportAudit)

	route(s, a, post, "/v1/erasures", 201, "forget-person", "Have a person forgotten, or say what that would change", s.erase)
	route(s, a, get, "/v1/erasures/{id}", 200, "get-erasure", "See how far a person has been forgotten", s.getErasure)
	describeStream(a.OpenAPI().Paths["/v1/events"].Get)
}

// route registers one operation. Its errors leave through problem, whatever they are. What stands before it may answer in
// its place.
func route[I, O any](s *surface, a huma.API, method, path string, status int, id, summary string, handle func(context.Context, *I) (*O, error), before ...func(huma.Context, func(huma.Context))) {
	op := huma.Operation{
		OperationID: id, Method: method, Path: path, Summary: summary, DefaultStatus: status,
		Responses: map[string]*huma.Response{"default": problemResponse(a.OpenAPI().Components.Schemas)},
		// limitBody has read the body already, within its own bounds. huma's read deadline would cancel calls that wait.
		MaxBodyBytes: maxBody + 1, BodyReadTimeout: -1, Middlewares: before,
	}
	huma.Register(a, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := handle(ctx, in)
		if err != nil {
			return nil, s.problem(ctx, err)
		}
		return out, nil
	})
}
