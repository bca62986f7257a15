package telemetry

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/audit"
	"github.com/curfewhq/curfew/internal/delivery"
	"github.com/curfewhq/curfew/internal/store"
)

// WatchDelivery reads at each scrape how far the destinations of the audit log have been served. They are those of the
// configuration in force, so the labels are bounded.
func (t *Telemetry) WatchDelivery(s store.Store, tenant access.TenantID, statuses func() []delivery.Status) {
	t.registry.MustRegister(&deliveryCollector{telemetry: t, store: s, tenant: tenant, statuses: statuses, descriptions: describeDelivery()})
}

type deliveryDescriptions struct{ witnesses, rewritten, failing, behind, lag *prometheus.Desc }

func describeDelivery() deliveryDescriptions {
	gauge := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(prometheus.BuildFQName(namespace, "", name), help, labels, nil)
	}
	return deliveryDescriptions{
		witnesses: gauge("witnesses", "Places outside that are given the checkpoints of the audit log. At 0 nobody could show that it was rewritten."),
		rewritten: gauge("witness_disagrees", "Whether what the destination has is not the beginning of the audit log: one of the two was rewritten.", "destination"),
		failing:   gauge("delivery_failing", "Whether this node's last attempt to serve the destination failed.", "destination", "kind"),
		behind:    gauge("delivery_behind", "Entries of the audit log that the destination does not have.", "destination", "kind"),
		lag:       gauge("delivery_lag_seconds", "Age of the oldest entry that the destination does not have; 0 when it has all.", "destination", "kind"),
	}
}

// deliveryCollector reads what is true now, whichever node made it so, but for how this node's attempts went.
type deliveryCollector struct {
	telemetry    *Telemetry
	store        store.Store
	tenant       access.TenantID
	statuses     func() []delivery.Status
	descriptions deliveryDescriptions
}

// Describe implements prometheus.Collector.
func (c *deliveryCollector) Describe(out chan<- *prometheus.Desc) {
	d := c.descriptions
	for _, desc := range []*prometheus.Desc{d.witnesses, d.rewritten, d.failing, d.behind, d.lag} {
		out <- desc
	}
}

// Collect implements prometheus.Collector. What cannot be read is left out; store_readable says so.
func (c *deliveryCollector) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), laneReadLimit)
	defer cancel()
	gauge := func(desc *prometheus.Desc, value float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
	}
	truth := map[bool]float64{true: 1}
	statuses, witnesses := c.statuses(), 0
	for _, s := range statuses {
		if s.Kind == delivery.KindWitness {
			witnesses++
		}
		gauge(c.descriptions.rewritten, truth[s.Rewritten], s.Name)
		gauge(c.descriptions.failing, truth[s.Failing], s.Name, string(s.Kind))
	}
	gauge(c.descriptions.witnesses, float64(witnesses))
	progress, err := c.read(ctx, statuses)
	if err != nil {
		c.telemetry.log.WarnContext(ctx, "how far destinations are served could not be read for a scrape", "error", err)
		return
	}
	for i, s := range statuses {
		gauge(c.descriptions.behind, float64(progress[i].behind), s.Name, string(s.Kind))
		gauge(c.descriptions.lag, progress[i].lag.Seconds(), s.Name, string(s.Kind))
	}
}

type progress struct {
	behind int64
	lag    time.Duration
}

func (c *deliveryCollector) read(ctx context.Context, statuses []delivery.Status) (list []progress, err error) {
	err = c.store.View(ctx, func(tx store.Tx) error {
		list = make([]progress, len(statuses))
		newest, err := tx.Events().Newest(c.tenant)
		if err != nil {
			if access.KindOf(err) == access.KindNotFound {
				return nil // nothing is logged yet
			}
			return err
		}
		for i, s := range statuses {
			cursor, err := tx.Cursors().Get(c.tenant, s.Name)
			if err != nil {
				return err
			}
			list[i].behind = max(0, newest.Position-cursor.Position)
			if list[i].lag, err = c.lag(tx, cursor.Position); err != nil {
				return err
			}
		}
		return nil
	})
	return list, err
}

// lag is the age of the first entry behind a position. The moment in its leaf is the one that counts.
func (c *deliveryCollector) lag(tx store.Tx, after int64) (time.Duration, error) {
	rows, err := tx.Events().Leaves(c.tenant, after, 1)
	if err != nil || len(rows) == 0 {
		return 0, err
	}
	ev, err := audit.Open(rows[0].Leaf, nil)
	if err != nil {
		return 0, err
	}
	return max(0, tx.Now().Sub(ev.At)), nil
}
