package telemetry

import (
	"context"
	"log/slog"
	"os"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// NewExporter makes an exporter over HTTP that is set up by the variables of OpenTelemetry's specification
// (OTEL_EXPORTER_OTLP_…), or none where no endpoint is set. It does not wait for the endpoint.
func NewExporter(ctx context.Context) (sdktrace.SpanExporter, error) {
	for _, name := range []string{"OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"} {
		if os.Getenv(name) != "" {
			return otlptracehttp.New(ctx)
		}
	}
	return nil, nil
}

// newProvider makes spans for the exporter. OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES, OTEL_TRACES_SAMPLER and
// OTEL_BSP_… count; when spans come faster than they leave, they are dropped, and nobody waits.
func newProvider(exporter sdktrace.SpanExporter, log *slog.Logger) *sdktrace.TracerProvider {
	res := resource.NewSchemaless(attribute.String("service.name", "curfewd"))
	if merged, err := resource.Merge(res, resource.Environment()); err == nil {
		res = merged
	}
	return sdktrace.NewTracerProvider(
		sdktrace.WithBatcher(loggedExporter{SpanExporter: exporter, log: log}), sdktrace.WithResource(res))
}

// loggedExporter logs failures. Otherwise they would go to a handler that the whole process shares.
type loggedExporter struct {
	sdktrace.SpanExporter
	log *slog.Logger
}

// ExportSpans implements sdktrace.SpanExporter.
func (e loggedExporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	if err := e.SpanExporter.ExportSpans(ctx, spans); err != nil {
		e.log.WarnContext(ctx, "spans were not exported", "spans", len(spans), "error", err)
	}
	return nil
}

// endSpan ends a span with what came of it. Of an error it keeps the kind, since its text may name people.
func endSpan(span trace.Span, err error) {
	if err != nil {
		kind := kindOf(err)
		span.SetAttributes(attribute.String("error.type", kind))
		span.SetStatus(codes.Error, kind)
	}
	span.End()
}
