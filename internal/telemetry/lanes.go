package telemetry

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

const (
	// laneCountLimit is where a count of a lane stops, so that a scrape costs little however full the books are.
	laneCountLimit = 100_000
	// laneReadLimit bounds the reading of all lanes.
	laneReadLimit = 5 * time.Second
)

// WatchLanes reads at each scrape how full the lanes are. They are those of the configuration in force, so the labels are
// bounded.
func (t *Telemetry) WatchLanes(s store.Store, lanes func() []store.Lane) {
	t.beginSeries(lanes())
	t.registry.MustRegister(&laneCollector{telemetry: t, store: s, lanes: lanes, descriptions: describeLanes()})
}

// beginSeries shows the histograms of the lanes at zero: a series that begins there shows its first increase.
func (t *Telemetry) beginSeries(lanes []store.Lane) {
	for _, lane := range lanes {
		t.metrics.lateness.WithLabelValues(string(lane.Connector))
		t.metrics.activation.WithLabelValues(string(lane.Connector))
	}
}

// laneCollector reads what is true now, which no process can count: other nodes work on the same store.
type laneCollector struct {
	telemetry    *Telemetry
	store        store.Store
	lanes        func() []store.Lane
	descriptions laneDescriptions
}

type laneDescriptions struct{ grants, due, overdue, residual, readable *prometheus.Desc }

func describeLanes() laneDescriptions {
	gauge := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(prometheus.BuildFQName(namespace, "", name), help, labels, nil)
	}
	return laneDescriptions{
		grants: gauge("grants", "Grants that have not ended, by state. A count stops at 100,000.", "connector", "state"),
		due:    gauge("lane_depth", "Grants that the engine should act on now, and that nobody has claimed, by queue.", "connector", "queue"),
		overdue: gauge("grants_overdue",
			"Grants that are past their deadline and not read back as gone. Anything but zero is access that should not be.", "connector"),
		residual: gauge("grants_residual",
			"Grants that are taken back while something issued under them still works.", "connector"),
		readable: gauge("store_readable", "Whether the store could be read for this scrape. If not, the gauges of grants are missing."),
	}
}

// Describe implements prometheus.Collector.
func (c *laneCollector) Describe(out chan<- *prometheus.Desc) {
	d := c.descriptions
	for _, desc := range []*prometheus.Desc{d.grants, d.due, d.overdue, d.residual, d.readable} {
		out <- desc
	}
}

// Collect implements prometheus.Collector.
func (c *laneCollector) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), laneReadLimit)
	defer cancel()
	lanes := c.lanes()
	c.telemetry.beginSeries(lanes)
	counts, err := c.read(ctx, lanes)
	readable := 1.0
	if err != nil {
		readable = 0
		c.telemetry.log.WarnContext(ctx, "the store could not be read for a scrape", "error", err)
	}
	d := c.descriptions
	gauge := func(desc *prometheus.Desc, value float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
	}
	gauge(d.readable, readable)
	for i, n := range counts {
		name := string(lanes[i].Connector)
		for _, state := range access.GrantStates() {
			if state != access.GrantEnded {
				gauge(d.grants, float64(n.States[state]), name, string(state))
			}
		}
		for _, queue := range []store.Queue{store.QueueNew, store.QueueLive} {
			gauge(d.due, float64(n.Due[queue]), name, string(queue))
		}
		gauge(d.overdue, float64(n.Overdue), name)
		gauge(d.residual, float64(n.Residual), name)
	}
}

// read counts the lanes in one snapshot.
func (c *laneCollector) read(ctx context.Context, lanes []store.Lane) (counts []store.LaneCounts, err error) {
	now, err := c.store.Now(ctx)
	if err != nil {
		return nil, err
	}
	err = c.store.View(ctx, func(tx store.Tx) error {
		for _, lane := range lanes {
			n, err := tx.Grants().Count(lane, now, laneCountLimit)
			if err != nil {
				return err
			}
			counts = append(counts, n)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return counts, nil
}
