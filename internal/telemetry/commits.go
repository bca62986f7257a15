package telemetry

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/curfewhq/curfew/internal/store/sqlstore"
)

// WatchCommits reads at each scrape what the store says of itself. Transactions over commits is how many share one.
func (t *Telemetry) WatchCommits(stats func() sqlstore.Stats) {
	count := func(name, help string, value func(sqlstore.Stats) int64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help},
			func() float64 { return float64(value(stats())) })
	}
	t.registry.MustRegister(
		count("store_transactions_total", "Transactions that the store has settled by a commit.",
			func(s sqlstore.Stats) int64 { return s.Transactions }),
		count("store_commits_total", "Commits that these transactions took.",
			func(s sqlstore.Stats) int64 { return s.Commits }),
		count("store_replays_total", "Transactions that ran again because of others.",
			func(s sqlstore.Stats) int64 { return s.Replays }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Namespace: namespace, Name: "store_ballast_given_up",
			Help: "1 while the disk of a store on SQLite is full: its ballast is given up, and only what takes access back is written.",
		}, func() float64 {
			if stats().BallastUp {
				return 1
			}
			return 0
		}),
	)
}
