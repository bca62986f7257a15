package telemetry

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/engine"
)

// Bounds of a scrape.
const (
	// scrapeLimit is how long a scrape may take; one that takes longer is answered with an error.
	scrapeLimit = 10 * time.Second
	// scrapesAtOnce bounds what scrapes cost together.
	scrapesAtOnce = 2
)

// scope names the tracer.
const scope = "github.com/curfewhq/curfew"

// Options are what telemetry is handed. Every field may be left empty.
type Options struct {
	// Log is where failures to export or to collect go. Nil discards them.
	Log *slog.Logger
	// Exporter takes the spans. Nil turns traces off.
	Exporter sdktrace.SpanExporter
}

// Telemetry is the metrics and traces of one process. It is safe for concurrent use.
type Telemetry struct {
	log      *slog.Logger
	registry *prometheus.Registry
	metrics  *metrics
	tracer   trace.Tracer
	spans    *sdktrace.TracerProvider
}

var (
	_ connector.Observer = (*Telemetry)(nil)
	_ engine.Observer    = (*Telemetry)(nil)
)

// New starts to measure. Whoever calls it calls Close.
func New(o Options) *Telemetry {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	t := &Telemetry{
		log: o.Log, registry: prometheus.NewRegistry(), metrics: newMetrics(),
		tracer: noop.NewTracerProvider().Tracer(scope),
	}
	t.registry.MustRegister(t.metrics.all()...)
	t.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if o.Exporter != nil {
		t.spans = newProvider(o.Exporter, o.Log)
		t.tracer = t.spans.Tracer(scope)
	}
	return t
}

// Handler serves the metrics in the formats of Prometheus. It does not ask who reads them.
func (t *Telemetry) Handler() http.Handler {
	return promhttp.HandlerFor(t.registry, promhttp.HandlerOpts{
		ErrorLog:            slog.NewLogLogger(t.log.Handler(), slog.LevelWarn),
		ErrorHandling:       promhttp.ContinueOnError,
		MaxRequestsInFlight: scrapesAtOnce,
		Timeout:             scrapeLimit,
	})
}

// Close hands over the spans that are not exported yet, and makes no more. Closing twice is safe.
func (t *Telemetry) Close(ctx context.Context) error {
	if t.spans == nil {
		return nil
	}
	return t.spans.Shutdown(ctx)
}
