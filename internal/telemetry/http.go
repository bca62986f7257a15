package telemetry

import (
	"net/http"
	"strconv"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// HTTP counts and traces the requests that next answers. route names the pattern that serves a request, one of a fixed
// set; it is empty where nothing does.
func (t *Telemetry) HTTP(next http.Handler, route func(*http.Request) string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := route(r)
		if name == "" {
			name = "none"
		}
		ctx, span := t.tracer.Start(r.Context(), name, trace.WithSpanKind(trace.SpanKindServer), callersTrace(r))
		answer := &answer{ResponseWriter: w, status: http.StatusOK}
		defer func() {
			t.metrics.requests.WithLabelValues(name, strconv.Itoa(answer.status)).Inc()
			span.SetAttributes(attribute.String("http.route", name), attribute.Int("http.response.status_code", answer.status))
			if answer.status >= http.StatusInternalServerError {
				span.SetStatus(codes.Error, http.StatusText(answer.status))
			}
			span.End()
		}()
		next.ServeHTTP(answer, r.WithContext(ctx))
	})
}

// callersTrace links to the trace that the caller says it is in. It is no parent: a caller whom nobody has
// authenticated must not decide what is sampled.
func callersTrace(r *http.Request) trace.SpanStartOption {
	remote := trace.SpanContextFromContext(propagation.TraceContext{}.Extract(r.Context(), propagation.HeaderCarrier(r.Header)))
	if !remote.IsValid() {
		return trace.WithLinks()
	}
	return trace.WithLinks(trace.Link{SpanContext: remote})
}

// answer remembers the status.
type answer struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements http.ResponseWriter.
func (a *answer) WriteHeader(status int) {
	if status >= http.StatusOK { // those below it are not final
		a.status = status
	}
	a.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController reach what it controls.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }
