package telemetry

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
)

// Call implements connector.Observer.
func (t *Telemetry) Call(
	ctx context.Context, name access.ConnectorName, call connector.Call,
) (_ context.Context, ended func(error)) {
	ctx, span := t.tracer.Start(ctx, "call "+string(call), trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(attribute.String("curfew.connector", string(name)), attribute.String("curfew.call", string(call))))
	began := time.Now()
	return ctx, func(err error) {
		t.metrics.calls.WithLabelValues(string(name), string(call), kindOf(err)).Inc()
		t.metrics.callSeconds.WithLabelValues(string(name), string(call)).Observe(time.Since(began).Seconds())
		endSpan(span, err)
	}
}

// Act implements engine.Observer. The work on a grant is a trace of its own; curfew.grant finds all that belong to one.
func (t *Telemetry) Act(ctx context.Context, g access.Grant) (_ context.Context, ended func()) {
	ctx, span := t.tracer.Start(ctx, "act on "+string(g.State), trace.WithAttributes(
		attribute.String("curfew.grant", string(g.ID)), attribute.String("curfew.connector", string(g.Entitlement.Connector)),
		attribute.String("curfew.state", string(g.State)), attribute.Int("curfew.attempt", g.Attempt),
	))
	return ctx, func() { span.End() }
}

// RemovedOffline implements engine.Observer.
func (t *Telemetry) RemovedOffline(g access.Grant) {
	t.metrics.removedOffline.WithLabelValues(string(g.Entitlement.Connector)).Inc()
}

// AttemptFailed implements engine.Observer.
func (t *Telemetry) AttemptFailed(g access.Grant, cause error) {
	t.metrics.attempts.WithLabelValues(string(g.Entitlement.Connector), kindOf(cause)).Inc()
}
