package enginetest

import (
	"context"
	"strings"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/changecontrol"
)

// Versions is the change control of a company whose configuration says nothing but whom it widens: a line "widens NAME" for
// each of them. What it says is served by nobody.
type Versions struct {
	*changecontrol.Control
	world *World
}

// Versions makes the change control of the company, without any version.
func (w *World) Versions() *Versions {
	w.Helper()
	v := &Versions{world: w}
	v.Control = changecontrol.New(changecontrol.Config{
		Store: w.Store, Books: w.Engine, Sealer: w.config.Sealer, Tenant: access.DefaultTenant, Judge: v,
		Directory: func() changecontrol.Directory { return w.Directory },
	})
	return v
}

// Propose proposes a version, and carries out what becomes of it.
func (v *Versions) Propose(digest, text string) changecontrol.Plan {
	v.world.Helper()
	p, err := v.Consider(context.Background(), changecontrol.Version{Digest: digest, Text: []byte(text)})
	v.world.must(err)
	v.world.must(v.Carry(context.Background(), p))
	return p
}

// Judge implements changecontrol.Judge.
func (v *Versions) Judge(ctx context.Context, _, next changecontrol.Version) (j changecontrol.Judgement, err error) {
	if j.Administrators, err = v.world.Directory.Members(ctx, administrators); err != nil {
		return j, err
	}
	for line := range strings.Lines(string(next.Text)) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "widens "); ok {
			p := v.world.Who(name)
			j.Widened = append(j.Widened, changecontrol.Widening{Principal: p.ID, Person: p.Person, Why: `policies: policy "write" was changed`})
		}
	}
	return j, nil
}

// Configuration says which version is in force, and which waits.
func (v *Versions) Configuration(ctx context.Context, actor access.Principal) (changecontrol.View, error) {
	return v.view(v.Status(ctx, actor))
}

func (v *Versions) view(s changecontrol.Status, err error) (changecontrol.View, error) {
	out := changecontrol.View{Status: s}
	if s.Waiting != nil {
		out.Diff = "-" + string(s.Waiting.Now) + "\n+" + string(s.Waiting.Next) + "\n"
	}
	return out, err
}

// ApproveConfiguration agrees to the version that waits, and puts it in force if that is enough.
func (v *Versions) ApproveConfiguration(ctx context.Context, actor access.Principal, digest string) (changecontrol.View, error) {
	if err := v.Approve(ctx, actor, digest); err != nil {
		return changecontrol.View{}, err
	}
	waiting, err := v.Waiting(ctx)
	if err != nil {
		return changecontrol.View{}, err
	}
	plan, err := v.Consider(ctx, waiting)
	if err == nil && !plan.Waits() {
		err = v.Carry(ctx, plan)
	}
	if err != nil {
		return changecontrol.View{}, err
	}
	return v.view(v.Read(ctx))
}

// RejectConfiguration withdraws the version that waits.
func (v *Versions) RejectConfiguration(ctx context.Context, actor access.Principal, digest, reason string) (changecontrol.View, error) {
	if err := v.Reject(ctx, actor, digest, reason); err != nil {
		return changecontrol.View{}, err
	}
	return v.view(v.Read(ctx))
}
