package telemetry

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/curfewhq/curfew/internal/access"
)

const namespace = "curfew"

// Buckets, in seconds.
var (
	// lateBuckets reach from a read-back that follows at once to a target that was away for a day.
	lateBuckets = []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 3600, 6 * 3600, 24 * 3600}
	// callBuckets reach to the longest timeout of a connector that anyone should set.
	callBuckets = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 15, 30, 60}
	// commitBuckets have one fsync in their middle.
	commitBuckets = []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 5}
)

// metrics are those that are counted as things happen; lanes and commits are collected when they are scraped.
type metrics struct {
	decisions   *prometheus.CounterVec
	settled     *prometheus.CounterVec
	ended       *prometheus.CounterVec
	attempts    *prometheus.CounterVec
	lateness    *prometheus.HistogramVec
	activation  *prometheus.HistogramVec
	commits     *prometheus.HistogramVec
	refused     *prometheus.CounterVec
	calls       *prometheus.CounterVec
	callSeconds *prometheus.HistogramVec
	requests    *prometheus.CounterVec

	removedOffline *prometheus.CounterVec
	damaged        prometheus.Gauge
	restored       prometheus.Gauge
	voidTokens     prometheus.Gauge
}

func newMetrics() *metrics {
	return &metrics{
		decisions: counter("decisions_total", "Requests by what the policies made of them when they came in.", "verdict"),
		settled:   counter("requests_settled_total", "Requests by the state in which they came to rest.", "state"),
		ended:     counter("grants_ended_total", "Grants that have ended, by why.", "connector", "reason"),
		attempts: counter("attempts_failed_total",
			"Attempts to activate a grant or to take it back that failed and are tried again, by kind of error.", "connector", "kind"),
		lateness: histogram("grant_lateness_seconds",
			"Time from a grant's deadline until the target was read back and the access was gone, for grants that came to their deadline.",
			lateBuckets, "connector"),
		activation: histogram("grant_activation_seconds",
			"Time from when a grant could begin until its access was there.", lateBuckets, "connector"),
		commits: histogram("transaction_duration_seconds",
			"Time that a transaction waited for its commit.", commitBuckets, "name"),
		refused: counter("transactions_failed_total",
			"Transactions that wrote nothing, by kind of error; conflict is a race that was lost, and harmless.", "name", "kind"),
		calls: counter("connector_calls_total", "Calls to targets, by what came of them.", "connector", "call", "kind"),
		callSeconds: histogram("connector_call_duration_seconds",
			"Time that calls to targets took, their wait for a turn included.", callBuckets, "connector", "call"),
		damaged:    gauge("store_damaged", "1 when the store's file was read as a whole and found damaged."),
		restored:   gauge("store_restored_timestamp_seconds", "When the store was last restored from a backup; 0 for never."),
		voidTokens: gauge("tokens_void", "Bearer tokens in the configuration that are void since the store was restored."),
		removedOffline: counter("grants_removed_offline_total",
			"Grants whose access was taken back from its plan at hand while the store was away.", "connector"),
		requests: counter("http_requests_total", "HTTP requests answered.", "route", "code"),
	}
}

// all lists them for the registry.
func (m *metrics) all() []prometheus.Collector {
	return []prometheus.Collector{
		m.decisions, m.settled, m.ended, m.attempts, m.lateness, m.activation, m.commits, m.refused, m.calls, m.callSeconds,
		m.requests, m.removedOffline, m.damaged, m.restored, m.voidTokens,
	}
}

func counter(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
}

func gauge(name, help string) prometheus.Gauge {
	return prometheus.NewGauge(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help})
}

func histogram(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(
		prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help, Buckets: buckets}, labels)
}

// kindOf names what came of something: ok, or the kind of its error.
func kindOf(err error) string {
	if err == nil {
		return "ok"
	}
	return access.KindOf(err).String()
}

func seconds(d time.Duration) float64 { return max(0, d.Seconds()) }
