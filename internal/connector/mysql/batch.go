package mysql

import (
	"context"
	"sync"
	"time"

	"github.com/curfewhq/curfew/internal/connector"
)

const (
	// batchWorkers is how many accounts of a batch are dropped at once: the server changes accounts one after the other.
	batchWorkers = 4
	// batchPatience is how long one account of a batch is waited for. The batch has the time of a single call, and some that
	// hang would use it up for all; they come again.
	batchPatience = 5 * time.Second
)

// RevokeBatch implements connector.BatchRevoker. Each account is dropped by itself, which costs the server about as much as all
// in one statement, and keeps one that cannot be dropped out of the others' way.
func (d *driver) RevokeBatch(ctx context.Context, tasks []connector.Task) []connector.Revocation {
	out := make([]connector.Revocation, len(tasks))
	next := make(chan int)
	var workers sync.WaitGroup
	for range min(batchWorkers, len(tasks)) {
		workers.Go(func() {
			for i := range next {
				out[i] = d.revokeSoon(ctx, tasks[i])
			}
		})
	}
	for i := range tasks {
		next <- i
	}
	close(next)
	workers.Wait()
	return out
}

// revokeSoon is Revoke for one of a batch.
func (d *driver) revokeSoon(ctx context.Context, t connector.Task) (done connector.Revocation) {
	ctx, cancel := context.WithTimeout(ctx, batchPatience)
	defer cancel()
	done.Err = connector.Safely(func() (err error) {
		done.Removal, err = d.Revoke(ctx, t.Order, t.Plan)
		return err
	})
	return done
}

var (
	_ connector.BatchRevoker  = (*driver)(nil)
	_ connector.BatchObserver = (*driver)(nil)
)
