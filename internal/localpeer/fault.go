package localpeer

import (
	"context"
	"errors"
	"fmt"
	"syscall"

	"github.com/jackc/pgx/v5"
)

// Pause stops every process of the server where it stands, as a machine that hangs would, and returns how to let them
// go on. Connections stay open and nothing answers.
func (p *Postgres) Pause(ctx context.Context) (resume func() error, err error) {
	dsn := p.SuperuserDSN(Superuser)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.process == nil {
		return nil, errNotRunning
	}
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.PgConn().Conn().Close() }() // the session is stopped too and could not say goodbye
	// The postmaster first: it starts the others, so that from here on there are no new ones.
	main := p.process
	if err := main.signal(syscall.SIGSTOP); err != nil {
		return nil, err
	}
	pids, err := sessionPIDs(ctx, conn)
	if err != nil {
		return nil, errors.Join(err, main.signal(syscall.SIGCONT))
	}
	for _, pid := range pids {
		_ = syscall.Kill(pid, syscall.SIGSTOP) // one that has ended meanwhile need not be stopped
	}
	return func() error {
		for _, pid := range pids {
			_ = syscall.Kill(pid, syscall.SIGCONT)
		}
		return main.signal(syscall.SIGCONT)
	}, nil
}

// sessionPIDs are the processes of sessions and of background work alike.
func sessionPIDs(ctx context.Context, conn *pgx.Conn) ([]int, error) {
	rows, err := conn.Query(ctx, "SELECT pid FROM pg_stat_activity")
	if err != nil {
		return nil, err
	}
	pids, err := pgx.CollectRows(rows, pgx.RowTo[int])
	if err != nil {
		return nil, fmt.Errorf("read the processes of the server: %w", err)
	}
	return pids, nil
}
