package api

import (
	"context"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/engine"
	"github.com/curfewhq/curfew/internal/store"
)

// Engine is what the API asks of the engine, noun by noun. Implementations are safe for concurrent use and decide
// themselves what the actor may see and do.
type Engine interface {
	Entitlements
	Requests
	Grants
	Findings
	Freezes
	Delegations
	Events
	Log
	Erasures
	Metrics
}

// Entitlements is what can be asked for.
type Entitlements interface {
	// Explain says what Submit would decide, and keeps nothing.
	Explain(ctx context.Context, actor access.Principal, s engine.Submission) (engine.Explanation, error)
	Entitlements(ctx context.Context, actor access.Principal, words []string, denied bool) ([]engine.Offer, error)
}

// Requests are asked, reviewed, withdrawn and read.
type Requests interface {
	Submit(ctx context.Context, actor access.Principal, s engine.Submission) (access.Request, error)
	Review(ctx context.Context, actor access.Principal, id access.RequestID, o engine.Opinion) (access.Request, error)
	Withdraw(ctx context.Context, actor access.Principal, id access.RequestID) (access.Request, error)
	Request(ctx context.Context, actor access.Principal, id access.RequestID) (engine.RequestView, error)
	// WaitRequest answers when nothing is left to wait for, or with what there is when ctx ends.
	WaitRequest(ctx context.Context, actor access.Principal, id access.RequestID) (engine.RequestView, error)
	Requests(ctx context.Context, actor access.Principal, scope engine.Scope, page store.Page) ([]engine.RequestView, string, error)
}

// Grants are read, extended, given back, revoked and used.
type Grants interface {
	Grant(ctx context.Context, actor access.Principal, id access.GrantID) (access.Grant, error)
	Grants(ctx context.Context, actor access.Principal, scope engine.Scope, ended bool, page store.Page) ([]access.Grant, string, error)
	Return(ctx context.Context, actor access.Principal, id access.GrantID) (access.Grant, error)
	Extend(ctx context.Context, actor access.Principal, id access.GrantID, by time.Duration) (access.Grant, error)
	Revoke(ctx context.Context, actor access.Principal, id access.GrantID, reason string) (access.Grant, error)
	// Attest counts who has attested that the grant's target no longer exists.
	Attest(ctx context.Context, actor access.Principal, id access.GrantID, reason string) (access.Grant, int, error)
	Credential(ctx context.Context, actor access.Principal, id access.GrantID, recipient []byte) (access.SealedCredential, error)
}

// Findings are read, and accepted.
type Findings interface {
	Findings(ctx context.Context, actor access.Principal, all bool, page store.Page) ([]access.Finding, string, error)
	AcceptFinding(ctx context.Context, actor access.Principal, id access.FindingID, reason string) (access.Finding, error)
}

// Freezes take back and forbid access, of a person, behind a connector, or all of it, until they are lifted.
type Freezes interface {
	Freeze(ctx context.Context, actor access.Principal, o engine.FreezeOrder, reason string) (access.Freeze, error)
	Freezes(ctx context.Context, actor access.Principal, page store.Page) ([]access.Freeze, string, error)
	Unfreeze(ctx context.Context, actor access.Principal, id access.FreezeID, reason string) error
}

// Delegations have one human review in the stead of another.
type Delegations interface {
	Delegate(ctx context.Context, actor access.Principal, o engine.DelegationOrder) (access.Delegation, error)
	Delegations(ctx context.Context, actor access.Principal, scope engine.DelegationScope, page store.Page) ([]access.Delegation, string, error)
	EndDelegation(ctx context.Context, actor access.Principal, id access.DelegationID) (access.Delegation, error)
}

// Events are read in the order of the audit log.
type Events interface {
	Events(ctx context.Context, actor access.Principal, q engine.LogQuery) (engine.EventPage, error)
	// WaitEvents answers when there is something to see, or with nothing when ctx ends.
	WaitEvents(ctx context.Context, actor access.Principal, q engine.LogQuery) (engine.EventPage, error)
	LastPosition(ctx context.Context) (int64, error)
}

// Log is the tree over the audit log, and what proves what is in it.
type Log interface {
	// CheckpointOfAll waits, for a few seconds at most, until the newest is of all that is logged by now.
	CheckpointOfAll(ctx context.Context) (store.LogHead, error)
	// LogKeyOf is the public key that has signed the checkpoint, or signs the next one where there is none.
	LogKeyOf(ctx context.Context, checkpoint []byte) (string, error)
	ProveInclusion(ctx context.Context, actor access.Principal, position, size int64) (engine.Inclusion, error)
	ProveConsistency(ctx context.Context, actor access.Principal, from, size int64) (proof tlog.TreeProof, of int64, err error)
	Export(ctx context.Context, actor access.Principal, q engine.ExportQuery) (*engine.Export, error)
}

// Erasures forget people.
type Erasures interface {
	// PlanForget says what Forget would change.
	PlanForget(ctx context.Context, actor access.Principal, o engine.ForgetOrder) (engine.ForgetPlan, error)
	// Forget answers when it is begun for good; Erasure tells how far it is.
	Forget(ctx context.Context, actor access.Principal, o engine.ForgetOrder, reason string) (access.Erasure, error)
	Erasure(ctx context.Context, actor access.Principal, id access.ErasureID) (access.Erasure, error)
}

// Metrics are read by those who oversee everything.
type Metrics interface {
	// MayReadMetrics is access.KindDenied for everybody else.
	MayReadMetrics(actor access.Principal) error
}

var _ Engine = (*engine.Engine)(nil)
