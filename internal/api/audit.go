package api

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/audit"
	"github.com/curfewhq/curfew/internal/engine"
)

// Checkpoint is what the audit log was at one size, signed.
type Checkpoint struct {
	Size       int64     `json:"size" doc:"How many entries it is of"`
	Checkpoint string    `json:"checkpoint" doc:"The signed note (C2SP tlog-checkpoint); empty while the log is"`
	Key        string    `json:"key" doc:"The public key that has signed it"`
	At         time.Time `json:"at,omitzero"`
}

type checkpointOutput struct{ Body Checkpoint }

func (s *surface) getCheckpoint(ctx context.Context, _ *struct{}) (*checkpointOutput, error) {
	head, err := s.Engine.CheckpointOfAll(ctx)
	if err != nil {
		return nil, err
	}
	key, err := s.Engine.LogKeyOf(ctx, head.Checkpoint)
	return &checkpointOutput{Body: Checkpoint{Size: head.Size, Checkpoint: string(head.Checkpoint), Key: key, At: utc(head.At)}}, err
}

// Proof is a list of hashes of the tree (RFC 6962, sections 2.1.1 and 2.1.2).
type Proof struct {
	Size  int64    `json:"size" doc:"How many entries the tree has that it is a proof in"`
	Entry string   `json:"entry,omitempty" doc:"Of an inclusion: the entry's canonical JSON, whose bytes are the leaf"`
	Proof []string `json:"proof" nullable:"false" doc:"Hashes, as base64"`
}

type proofOutput struct{ Body Proof }

type inclusionInput struct {
	Position int64 `query:"position" required:"true" minimum:"1" doc:"The entry's place in the log"`
	Size     int64 `query:"size" minimum:"0" doc:"The size of the log in which it is proven to be; the newest checkpoint's without it"`
}

func (s *surface) proveInclusion(ctx context.Context, in *inclusionInput) (*proofOutput, error) {
	p, err := s.Engine.ProveInclusion(ctx, actorOf(ctx), in.Position, in.Size)
	if err != nil {
		return nil, err
	}
	return &proofOutput{Body: Proof{Size: p.Size, Entry: string(p.Leaf), Proof: hashes(p.Proof)}}, nil
}

type consistencyInput struct {
	From int64 `query:"from" required:"true" minimum:"1" doc:"The size of the earlier log"`
	Size int64 `query:"size" minimum:"0" doc:"The size of the later log; the newest checkpoint's without it"`
}

func (s *surface) proveConsistency(ctx context.Context, in *consistencyInput) (*proofOutput, error) {
	proof, size, err := s.Engine.ProveConsistency(ctx, actorOf(ctx), in.From, in.Size)
	if err != nil {
		return nil, err
	}
	return &proofOutput{Body: Proof{Size: size, Proof: hashes(proof)}}, nil
}

func hashes(list []tlog.Hash) []string {
	texts := make([]string, len(list))
	for i, h := range list {
		texts[i] = h.String()
	}
	return texts
}

// exportType is the media type of lines of JSON.
const exportType = "application/jsonl"

type exportInput struct {
	From    int64     `query:"from" minimum:"0" doc:"From this position on"`
	To      int64     `query:"to" minimum:"0" doc:"To this position"`
	Since   time.Time `query:"since" doc:"What was entered at this moment or later"`
	Until   time.Time `query:"until" doc:"What was entered before this moment"`
	Request string    `query:"request" maxLength:"128" doc:"What is about this request alone"`
	Grant   string    `query:"grant" maxLength:"128" doc:"What is about this grant alone"`
	Kind    string    `query:"kind" maxLength:"128" doc:"What is of this kind alone, or of each that begins so, where it ends with a dot"`
}

type exportOutput struct {
	ContentType string `header:"Content-Type"`
	Body        func(huma.Context)
}

// exportAudit streams an export. What goes wrong behind its first line cuts it off, which whoever reads it notices by the
// last line.
func (s *surface) exportAudit(ctx context.Context, in *exportInput) (*exportOutput, error) {
	x, err := s.Engine.Export(ctx, actorOf(ctx), engine.ExportQuery{
		From: in.From, To: in.To, Since: in.Since, Until: in.Until, Request: access.RequestID(in.Request),
		Grant: access.GrantID(in.Grant), Kind: access.EventKind(in.Kind),
	})
	if err != nil {
		return nil, err
	}
	return &exportOutput{ContentType: exportType, Body: func(c huma.Context) {
		_, w := humago.Unwrap(c)
		control := http.NewResponseController(w)
		defer func() { _ = control.SetWriteDeadline(time.Time{}) }()
		if err := sendExport(c.Context(), x, audit.NewExportEncoder(w), control); err != nil {
			_ = s.problem(c.Context(), err) // the status has been sent; this logs it
			panic(http.ErrAbortHandler)
		}
	}}, nil
}

func sendExport(ctx context.Context, x *engine.Export, out *json.Encoder, control *http.ResponseController) error {
	if err := out.Encode(x.Header); err != nil {
		return err
	}
	var sent int64
	for more := true; more; {
		var entries []audit.ExportEntry
		var err error
		if entries, more, err = x.Next(ctx); err != nil {
			return err
		}
		if err := control.SetWriteDeadline(time.Now().Add(writePatience)); err != nil {
			return err
		}
		for _, e := range entries {
			if err := out.Encode(e); err != nil {
				return err
			}
			sent++
		}
	}
	return out.Encode(audit.ExportEnd{End: true, Entries: sent})
}
