package telemetry

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/directory"
	"github.com/curfewhq/curfew/internal/store"
)

// WatchSources reads at each scrape how the sources of people are read. They are those of the configuration in force, so the labels
// are bounded. statuses is not called before there are any.
func (t *Telemetry) WatchSources(s store.Store, tenant access.TenantID, statuses func() []directory.SyncStatus) {
	gauge := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc(prometheus.BuildFQName(namespace, "", name), help, []string{"source"}, nil)
	}
	t.registry.MustRegister(&sourceCollector{
		telemetry: t, store: s, tenant: tenant, statuses: statuses,
		failing: gauge("source_failing", "Whether this node's last read of the source of people failed, or was not taken over."),
		held:    gauge("source_held_back", "People of whom this node's last read of the source would have taken everything, had they not been too many."),
		age:     gauge("source_age_seconds", "How long ago the source of people was last taken over, by any node; absent before the first time."),
	})
}

// sourceCollector reads how old what is known of people is, whichever node has read it, but for how this node's attempts went.
type sourceCollector struct {
	telemetry          *Telemetry
	store              store.Store
	tenant             access.TenantID
	statuses           func() []directory.SyncStatus
	failing, held, age *prometheus.Desc
}

// Describe implements prometheus.Collector.
func (c *sourceCollector) Describe(out chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{c.failing, c.held, c.age} {
		out <- desc
	}
}

// Collect implements prometheus.Collector. What cannot be read is left out; store_readable says so.
func (c *sourceCollector) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), laneReadLimit)
	defer cancel()
	gauge := func(desc *prometheus.Desc, value float64, source string) {
		out <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, source)
	}
	for _, s := range c.statuses() {
		gauge(c.failing, map[bool]float64{true: 1}[s.Failing], s.Name)
		gauge(c.held, float64(s.HeldBack), s.Name)
		var age time.Duration
		var known bool
		err := c.store.View(ctx, func(tx store.Tx) error {
			last, err := tx.Cursors().Get(c.tenant, directory.SourceCursor(s.Name))
			known, age = !last.At.IsZero(), tx.Now().Sub(last.At)
			return err
		})
		if err != nil {
			c.telemetry.log.WarnContext(ctx, "when a source was read could not be read for a scrape", "error", err)
		} else if known {
			gauge(c.age, age.Seconds(), s.Name)
		}
	}
}
