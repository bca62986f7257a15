package mysql

import (
	"context"
	"sync"

	"github.com/curfewhq/curfew/internal/connector"
)

// batchWorkers is how many accounts of a batch are dropped at once: the server changes accounts one after the other.
const batchWorkers = 4

// RevokeBatch implements connector.BatchRevoker. Each account is dropped by itself, which costs the server about as much as all
// in one statement, and keeps one that cannot be dropped out of the others' way.
func (d *driver) RevokeBatch(ctx context.Context, tasks []connector.Task) []connector.Revocation {
	out := make([]connector.Revocation, len(tasks))
	next := make(chan int)
	var workers sync.WaitGroup
	for range min(batchWorkers, len(tasks)) {
		workers.Go(func() {
			for i := range next {
				out[i].Removal, out[i].Err = d.Revoke(ctx, tasks[i].Order, tasks[i].Plan)
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

var (
	_ connector.BatchRevoker  = (*driver)(nil)
	_ connector.BatchObserver = (*driver)(nil)
)
