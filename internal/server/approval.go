package server

import (
	"bytes"
	"context"
	"slices"

	"github.com/rogpeppe/go-internal/diff"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/changecontrol"
	"github.com/curfewhq/curfew/internal/config"
)

// Configuration says which version of the configuration is in force, and which waits.
func (s *Server) Configuration(ctx context.Context, actor access.Principal) (changecontrol.View, error) {
	return s.view(s.control.Status(ctx, actor))
}

// view shows where things stand.
func (s *Server) view(status changecontrol.Status, err error) (changecontrol.View, error) {
	if err != nil {
		return changecontrol.View{}, err
	}
	v := changecontrol.View{Status: status}
	if trouble := s.trouble.Load(); trouble != nil {
		v.Trouble = *trouble
	}
	if status.Waiting != nil {
		v.Diff, err = diffOf(status.Waiting.Now, status.Waiting.Next)
	}
	return v, err
}

// ApproveConfiguration agrees to the version that waits, and takes it over if that is enough. If it cannot be taken over it
// waits on, with its approvals, and what keeps it from that is said.
func (s *Server) ApproveConfiguration(ctx context.Context, actor access.Principal, digest string) (changecontrol.View, error) {
	if err := s.control.Approve(ctx, actor, digest); err != nil {
		return changecontrol.View{}, err
	}
	// Who has approved may be an administrator no more then, and is shown nevertheless what has come of it.
	s.changing.Lock()
	s.noteTrouble(ctx, s.settle(context.WithoutCancel(ctx)))
	s.changing.Unlock()
	return s.view(s.control.Read(ctx))
}

// RejectConfiguration withdraws the version that waits.
func (s *Server) RejectConfiguration(ctx context.Context, actor access.Principal, digest, reason string) (changecontrol.View, error) {
	if err := s.control.Reject(ctx, actor, digest, reason); err != nil {
		return changecontrol.View{}, err
	}
	return s.view(s.control.Read(ctx))
}

// diffOf says what one text changes in the files of another: all of it, for what is not shown could not be agreed to. Package config
// bounds both.
func diffOf(now, next []byte) (string, error) {
	before, err := config.ReadKept(now)
	if err != nil {
		return "", err
	}
	after, err := config.ReadKept(next)
	if err != nil {
		return "", err
	}
	var names []string
	contents := [2]map[string][]byte{{}, {}}
	for i, text := range []config.Text{before, after} {
		for _, f := range text.Files {
			names = append(names, f.Name)
			contents[i][f.Name] = []byte(f.Content)
		}
	}
	slices.Sort(names)
	var all bytes.Buffer
	for _, name := range slices.Compact(names) {
		all.Write(diff.Diff("in force/"+name, contents[0][name], "proposed/"+name, contents[1][name]))
	}
	return all.String(), nil
}
