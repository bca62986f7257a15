package api

import (
	"context"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/changecontrol"
)

// Configuration is the change control of the configuration. Implementations are safe for concurrent use and decide themselves
// what the actor may see and do.
type Configuration interface {
	Configuration(ctx context.Context, actor access.Principal) (changecontrol.View, error)
	// ApproveConfiguration agrees to the version that waits, which the actor has seen. What has enough approvals is taken over.
	ApproveConfiguration(ctx context.Context, actor access.Principal, digest string) (changecontrol.View, error)
	RejectConfiguration(ctx context.Context, actor access.Principal, digest, reason string) (changecontrol.View, error)
}

// ConfigStatus says which version of the configuration is in force, and which waits.
type ConfigStatus struct {
	InForce ConfigVersion  `json:"in_force"`
	Waiting *WaitingConfig `json:"waiting,omitempty" doc:"Absent when none waits"`
	Error   string         `json:"error,omitempty" doc:"What keeps this node from serving the version that it should"`
}

// ConfigVersion is a version of the configuration.
type ConfigVersion struct {
	Digest string    `json:"digest"`
	Since  time.Time `json:"since"`
}

// WaitingConfig is a version of the configuration that administrators must agree to.
type WaitingConfig struct {
	Digest     string           `json:"digest"`
	ProposedAt time.Time        `json:"proposed_at"`
	Widens     []Widening       `json:"widens" nullable:"false" doc:"The administrators to whom it may give more, one account of each"`
	Approvals  []ConfigApproval `json:"approvals" nullable:"false"`
	Needs      int              `json:"needs" doc:"How many must approve: 1 whom it does not widen, or 2 where it widens all administrators"`
	Diff       string           `json:"diff" doc:"What it changes in the files, as a unified diff"`
}

// Widening says to whom a version may give more, and why.
type Widening struct {
	Principal string `json:"principal"`
	Why       string `json:"why"`
}

// ConfigApproval is an administrator's.
type ConfigApproval struct {
	Principal string    `json:"principal"`
	At        time.Time `json:"at"`
}

type configInput struct{}

type configOutput struct{ Body ConfigStatus }

func (s *surface) getConfig(ctx context.Context, _ *configInput) (*configOutput, error) {
	return newConfigOutput(s.Configuration.Configuration(ctx, actorOf(ctx)))
}

// ApproveConfigBody names the version that was looked at.
type ApproveConfigBody struct {
	Digest string `json:"digest" minLength:"1" maxLength:"128"`
}

type approveConfigInput struct{ Body ApproveConfigBody }

func (s *surface) approveConfig(ctx context.Context, in *approveConfigInput) (*configOutput, error) {
	return newConfigOutput(s.Configuration.ApproveConfiguration(ctx, actorOf(ctx), in.Body.Digest))
}

// RejectConfigBody names the version that was looked at, and says why it is withdrawn.
type RejectConfigBody struct {
	Digest string `json:"digest" minLength:"1" maxLength:"128"`
	Reason string `json:"reason" doc:"4096 bytes at most"`
}

type rejectConfigInput struct{ Body RejectConfigBody }

func (s *surface) rejectConfig(ctx context.Context, in *rejectConfigInput) (*configOutput, error) {
	return newConfigOutput(s.Configuration.RejectConfiguration(ctx, actorOf(ctx), in.Body.Digest, in.Body.Reason))
}

func newConfigOutput(v changecontrol.View, err error) (*configOutput, error) {
	if err != nil {
		return nil, err
	}
	out := ConfigStatus{InForce: ConfigVersion{Digest: v.InForce.Digest, Since: utc(v.InForce.Since)}, Error: v.Trouble}
	if w := v.Waiting; w != nil {
		out.Waiting = &WaitingConfig{
			Digest: w.Digest, ProposedAt: utc(w.Since), Needs: w.Judgement.Needs(), Diff: v.Diff,
			Widens: make([]Widening, len(w.Judgement.Widened)), Approvals: make([]ConfigApproval, len(w.Approvals)),
		}
		for i, one := range w.Judgement.Widened {
			out.Waiting.Widens[i] = Widening{Principal: principalText(one.Principal), Why: one.Why}
		}
		for i, a := range w.Approvals {
			out.Waiting.Approvals[i] = ConfigApproval{Principal: principalText(a.By), At: utc(a.At)}
		}
	}
	return &configOutput{Body: out}, nil
}
