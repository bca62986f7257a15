package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/curfewhq/curfew/internal/access"
)

// momentLimit is how long the taking back may last after its moment, and restLimit how long a server may be at work after
// its start: it compares the target with the books, and decides each grant again.
const (
	momentLimit = 5 * time.Minute
	restLimit   = 30 * time.Minute
	// workAhead is how long before its moment the work begins: what ends within two seconds is written ahead.
	workAhead = 3 * time.Second
	// restAhead is how long before its moment a server must be at rest.
	restAhead = 7 * time.Second
)

// moment is an installation of which many grants end at one instant.
type moment struct {
	installation
	at     time.Time
	grants int
	server *child
	// targetMade says that the grants were made at a real target, and not seeded.
	targetMade bool
}

// seedMoment seeds n grants before their common end, and waits until the server that was started on them has nothing more
// to do at its start.
func seedMoment(ctx context.Context, n int) (*moment, error) {
	i, err := installOnce(ctx, memoryConnector)
	if err != nil {
		return nil, err
	}
	// Writing them, and the server's own look at each when it starts, must be over by then.
	m := &moment{installation: i, grants: n, at: time.Now().Add(time.Duration(n)*1500*time.Microsecond + 20*time.Second).Truncate(time.Microsecond)}
	if err := seed(ctx, i, n, func(int) time.Time { return m.at }); err != nil {
		return nil, errors.Join(err, i.remove())
	}
	if err := m.start(ctx); err != nil {
		return nil, errors.Join(err, i.remove())
	}
	if err := m.rest(ctx); err != nil {
		return nil, errors.Join(err, m.server.kill(), i.remove())
	}
	return m, nil
}

// installOnce is an installation on which a server has run once, so that it has its keys and its empty books.
func installOnce(ctx context.Context, connector string) (installation, error) {
	i, err := install(connector)
	if err != nil {
		return i, err
	}
	server, err := i.start(ctx)
	if err == nil {
		err = server.stop()
	}
	if err != nil {
		return i, errors.Join(err, i.remove())
	}
	return i, nil
}

func (m *moment) start(ctx context.Context) (err error) {
	if m.targetMade {
		m.server, err = m.installation.start(ctx)
	} else {
		m.server, err = m.installation.start(ctx, "-seeded")
	}
	return err
}

// rest waits until the server is at rest, and fails when it is not some seconds before the moment.
func (m *moment) rest(ctx context.Context) error {
	if err := restUntil(ctx, m.server, m.at.Add(-restAhead)); err != nil {
		return fmt.Errorf("%d grants were made, and too little time was left before their end; the machine is too busy: %w", m.grants, err)
	}
	return nil
}

// restUntil waits until a server has used little of a processor for a second.
func restUntil(ctx context.Context, server *child, end time.Time) error {
	for {
		before := treeCPU(server.pid())
		sleep(ctx, time.Second)
		switch used := treeCPU(server.pid()) - before; {
		case ctx.Err() != nil:
			return ctx.Err()
		case time.Now().After(end):
			return fmt.Errorf("the server is still at work: %s of the last second", used)
		case used <= 50*time.Millisecond:
			return nil
		}
	}
}

// killInTheMiddle is kill -9 when a quarter of the grants have ended, and a new start. It returns how many had ended by
// then, and fails when that were all.
func (m *moment) killInTheMiddle(ctx context.Context) (ended int, err error) {
	const look = 10 * time.Millisecond
	sleep(ctx, time.Until(m.at.Add(time.Millisecond)))
	carol := newCaller(m.server.url, m.token("carol"))
	for left, enough := float64(m.grants), 0.75*float64(m.grants); left > enough; sleep(ctx, look) {
		if left, err = carol.gauge(ctx, "curfew_grants_overdue"); err != nil {
			return 0, err
		}
	}
	if err := m.server.kill(); err != nil {
		return 0, err
	}
	late, left, err := m.read(ctx)
	if err != nil {
		return 0, err
	}
	if len(late) == 0 || len(left) == 0 {
		return 0, fmt.Errorf("kill -9 found %d of %d grants taken back, which is not the middle", len(late), m.grants)
	}
	if err := m.start(ctx); err != nil {
		return 0, fmt.Errorf("starting again after kill -9: %w", err)
	}
	return len(late), nil
}

// finish waits until nothing is overdue and stops the server. It returns the CPU time that the server has used until then.
func (m *moment) finish(ctx context.Context) (time.Duration, error) {
	cpu, err := m.settle(ctx)
	return cpu, errors.Join(err, m.server.stop())
}

// settle is finish without the stop.
func (m *moment) settle(ctx context.Context) (time.Duration, error) {
	sleep(ctx, time.Until(m.at.Add(time.Millisecond))) // nothing is overdue before
	return settleDown(ctx, m.installation, m.server, "curfew_grants_overdue")
}

// settleDown waits until a gauge of the server's own metrics is zero, and returns the CPU time that the server has used
// until then.
func settleDown(ctx context.Context, i installation, server *child, gauge string, labels ...string) (time.Duration, error) {
	// Each look is work for the server too.
	const look = 200 * time.Millisecond
	carol := newCaller(server.url, i.token("carol"))
	for began := time.Now(); ; sleep(ctx, look) {
		left, err := carol.gauge(ctx, gauge, labels...)
		switch {
		case err != nil:
			return 0, err
		case left == 0:
			return treeCPU(server.pid()), nil
		case time.Since(began) > momentLimit:
			return 0, fmt.Errorf("%s is still %v after %s", gauge, left, momentLimit)
		}
	}
}

// lateness reads how late each grant was read back as gone. One that is left, or that ended for another reason than its
// time, is an error.
func (m *moment) lateness(ctx context.Context) ([]time.Duration, error) {
	late, left, err := m.read(ctx)
	if err == nil && (len(left) > 0 || len(late) != m.grants) {
		err = fmt.Errorf("of %d grants %d have ended and %d are left past their deadline, such as %+v", m.grants, len(late), len(left), first(left))
	}
	return late, err
}

// read reads the grants of the moment: how late those were that have ended, and those that have not, or otherwise. No
// server may run.
func (m *moment) read(ctx context.Context) (late []time.Duration, left []access.Grant, err error) {
	grants, err := m.installation.grants(ctx)
	if err != nil {
		return nil, nil, err
	}
	for _, g := range grants {
		switch {
		case !g.Deadline.Equal(m.at):
		case g.State != access.GrantEnded || g.VerifiedAt.IsZero() || g.EndReason != access.EndExpired:
			left = append(left, g)
		default:
			late = append(late, g.VerifiedAt.Sub(m.at))
		}
	}
	return late, left, nil
}

func first(grants []access.Grant) access.Grant {
	if len(grants) == 0 {
		return access.Grant{}
	}
	return grants[0]
}

// sleep waits, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
