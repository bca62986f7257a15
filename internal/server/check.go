package server

import "context"

// checkable is a store that can be read as a whole beside the work.
type checkable interface {
	Check(ctx context.Context) error
}

// checkBooks reads the whole store beside the work, where it is in a file of ours: a start does not wait for gigabytes. A
// store that is damaged goes on taking access back as far as it can; it is not ready any more, which whoever watches
// /readyz learns.
func (s *Server) checkBooks(b books) {
	c, ok := b.(checkable)
	if !ok {
		return
	}
	ctx, end := context.WithCancel(context.Background())
	s.endCheck, s.checked = end, make(chan struct{})
	go func() {
		defer close(s.checked)
		err := c.Check(ctx)
		if err == nil || ctx.Err() != nil {
			return
		}
		s.damage.Store(&err)
		s.telemetry.StoreDamaged()
		s.log.ErrorContext(ctx, "the store is damaged; restore it from a backup", "error", err)
	}()
}
