package telemetry

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// WatchConfiguration reads at each scrape whether a version of the configuration waits, and whether this node serves the one in
// force; serving is the digest of what it serves.
func (t *Telemetry) WatchConfiguration(s store.Store, tenant access.TenantID, serving func() string) {
	gauge := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc(prometheus.BuildFQName(namespace, "", name), help, nil, nil)
	}
	t.registry.MustRegister(&configurationCollector{
		telemetry: t, store: s, tenant: tenant, serving: serving,
		waiting: gauge("configuration_waiting", "Whether a version of the configuration waits for administrators to agree."),
		behind:  gauge("configuration_behind", "Whether this node serves another version of the configuration than the one in force."),
	})
}

// configurationCollector compares what the books have with what a node serves.
type configurationCollector struct {
	telemetry       *Telemetry
	store           store.Store
	tenant          access.TenantID
	serving         func() string
	waiting, behind *prometheus.Desc
}

// Describe implements prometheus.Collector.
func (c *configurationCollector) Describe(out chan<- *prometheus.Desc) {
	out <- c.waiting
	out <- c.behind
}

// Collect implements prometheus.Collector. What cannot be read is left out; store_readable says so.
func (c *configurationCollector) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), laneReadLimit)
	defer cancel()
	var inForce, waiting store.Configuration
	err := c.store.View(ctx, func(tx store.Tx) (err error) {
		if inForce, err = tx.Configurations().Get(c.tenant, store.ConfigurationInForce); err != nil && access.KindOf(err) != access.KindNotFound {
			return err
		}
		if waiting, err = tx.Configurations().Get(c.tenant, store.ConfigurationWaiting); err != nil && access.KindOf(err) != access.KindNotFound {
			return err
		}
		return nil
	})
	if err != nil {
		c.telemetry.log.WarnContext(ctx, "which configuration is in force could not be read for a scrape", "error", err)
		return
	}
	gauge := func(desc *prometheus.Desc, is bool) {
		out <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, map[bool]float64{true: 1}[is])
	}
	gauge(c.waiting, waiting.Digest != "")
	gauge(c.behind, inForce.Digest != "" && inForce.Digest != c.serving())
}
