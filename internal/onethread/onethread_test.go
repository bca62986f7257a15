package onethread_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/curfewhq/curfew/internal/onethread"
)

func TestMain(m *testing.M) { onethread.Main(m) }

// Timers that come due together, of all kinds, are what the race detector dies of on two threads.
func TestTimersOfBubbles(t *testing.T) {
	for range 100 {
		synctest.Test(t, func(*testing.T) {
			var all sync.WaitGroup
			var ran atomic.Int64
			for range 40 {
				all.Go(func() {
					for range 20 {
						for range 5 {
							time.AfterFunc(time.Second, func() { ran.Add(1) })
						}
						select {
						case <-time.After(time.Second):
						case <-time.After(time.Second):
						}
						<-time.NewTimer(0).C
					}
				})
			}
			all.Wait()
			time.Sleep(time.Minute)
			if n := ran.Load(); n != 40*20*5 {
				t.Errorf("%d timers ran", n)
			}
		})
	}
}
