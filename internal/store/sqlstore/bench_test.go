package sqlstore

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"github.com/curfewhq/curfew/internal/localpeer"
	"github.com/curfewhq/curfew/internal/store"
)

// counted is a store that counts what it does.
type counted interface {
	store.Store
	Stats() Stats
}

// BenchmarkUpdate measures durable transactions that insert one row each, from several goroutines.
func BenchmarkUpdate(b *testing.B) {
	b.Run("sqlite", func(b *testing.B) {
		benchmarkUpdate(b, func(b *testing.B) counted {
			s, err := OpenSQLite(b.Context(), filepath.Join(b.TempDir(), "books.db"), Options{})
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { _ = s.Close() })
			return s
		})
	})
	b.Run("postgres", func(b *testing.B) {
		p := newPeer(b, localpeer.PostgresOptions{Version: 18, Fsync: true})
		benchmarkUpdate(b, func(b *testing.B) counted { return openPostgres(b, p.empty(b)) })
	})
}

func benchmarkUpdate(b *testing.B, open func(*testing.B) counted) {
	for _, workers := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("goroutines=%d", workers), func(b *testing.B) {
			s := open(b)
			next := make(chan int)
			var wg sync.WaitGroup
			for range workers {
				wg.Go(func() {
					for i := range next {
						if err := s.Update(context.Background(), "put", put(fmt.Sprint(i))); err != nil {
							b.Error(err)
						}
					}
				})
			}
			b.ResetTimer()
			for i := range b.N {
				next <- i
			}
			close(next)
			wg.Wait()
			stats := s.Stats()
			b.ReportMetric(float64(stats.Transactions)/float64(stats.Commits), "members/commit")
			b.ReportMetric(float64(stats.Replays)/float64(stats.Transactions), "replays/op")
		})
	}
}
