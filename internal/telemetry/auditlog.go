package telemetry

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// WatchLog reads at each scrape how far the audit log and its tree have come.
func (t *Telemetry) WatchLog(s store.Store, tenant access.TenantID) {
	gauge := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc(prometheus.BuildFQName(namespace, "audit", name), help, nil, nil)
	}
	t.registry.MustRegister(&logCollector{
		telemetry: t, store: s, tenant: tenant,
		entries: gauge("entries", "Entries of the audit log that have a position."),
		tree:    gauge("tree_size", "Entries that the newest signed checkpoint of the audit log is of."),
	})
}

// logCollector reads what is true now, whichever node made it so.
type logCollector struct {
	telemetry     *Telemetry
	store         store.Store
	tenant        access.TenantID
	entries, tree *prometheus.Desc
}

// Describe implements prometheus.Collector.
func (c *logCollector) Describe(out chan<- *prometheus.Desc) { out <- c.entries; out <- c.tree }

// Collect implements prometheus.Collector. What cannot be read is left out; store_readable says so.
func (c *logCollector) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), laneReadLimit)
	defer cancel()
	var entries, tree int64
	err := c.store.View(ctx, func(tx store.Tx) error {
		newest, err := tx.Events().Newest(c.tenant)
		if err != nil && access.KindOf(err) != access.KindNotFound {
			return err
		}
		head, err := tx.Log().Head(c.tenant)
		entries, tree = newest.Position, head.Size
		return err
	})
	if err != nil {
		c.telemetry.log.WarnContext(ctx, "the audit log could not be read for a scrape", "error", err)
		return
	}
	out <- prometheus.MustNewConstMetric(c.entries, prometheus.GaugeValue, float64(entries))
	out <- prometheus.MustNewConstMetric(c.tree, prometheus.GaugeValue, float64(tree))
}
