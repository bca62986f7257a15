package telemetry_test

import (
	"bufio"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/connector/memory"
	. "github.com/curfewhq/curfew/internal/enginetest"
	"github.com/curfewhq/curfew/internal/telemetry"
)

// exported hands over what is left and returns the spans by name.
func (w *watched) exported(t *testing.T) map[string][]tracetest.SpanStub {
	t.Helper()
	if err := w.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	spans := map[string][]tracetest.SpanStub{}
	for _, s := range w.spans.GetSpans() {
		spans[s.Name] = append(spans[s.Name], s)
	}
	return spans
}

func attributeOf(s tracetest.SpanStub, key attribute.Key) string {
	for _, a := range s.Attributes {
		if a.Key == key {
			return a.Value.String()
		}
	}
	return ""
}

// The work on a grant is one trace: its transactions and its calls are children of the act, and the log lines of what it
// changed name it.
func TestWorkIsOneTrace(t *testing.T) {
	bubble(t, func(t *testing.T, w *watched) {
		w.ask(t, Alice, Read, "order 17", time.Minute)
		spans := w.exported(t)
		acts := spans["act on scheduled"]
		if len(acts) != 1 || attributeOf(acts[0], "curfew.grant") == "" {
			t.Fatalf("%d acts, want one with its grant: %v", len(acts), acts)
		}
		act := acts[0].SpanContext
		for _, name := range []string{"transaction activate", "transaction activated", "call prepare", "call grant"} {
			if got := spans[name]; len(got) != 1 || got[0].Parent.SpanID() != act.SpanID() {
				t.Errorf("%s: %d spans, want one below the act", name, len(got))
			}
		}
		lines := map[string]string{}
		for scan := bufio.NewScanner(strings.NewReader(w.log.String())); scan.Scan(); {
			var line struct {
				Msg   string `json:"msg"`
				Trace string `json:"trace_id"`
			}
			if err := json.Unmarshal(scan.Bytes(), &line); err != nil {
				t.Fatal(err)
			}
			lines[line.Msg] = line.Trace
		}
		if got := lines["grant.active"]; got != act.TraceID().String() {
			t.Errorf("the log line of the activation has the trace %q, want %s", got, act.TraceID())
		}
	})
}

func TestFailedCallsAreErrors(t *testing.T) {
	bubble(t, func(t *testing.T, w *watched) {
		w.Target.Inject(memory.Fault{Call: connector.CallGrant, Effect: memory.Fail, Times: 1})
		w.ask(t, Alice, Read, "order 17", time.Minute)
		time.Sleep(time.Second)
		synctest.Wait()
		calls := w.exported(t)["call grant"]
		if len(calls) != 2 || attributeOf(calls[0], "error.type") != "unavailable" || attributeOf(calls[1], "error.type") != "" {
			t.Errorf("want a failed call and one that worked: %v", calls)
		}
	})
}

func TestRequestsAreCountedByRoute(t *testing.T) {
	spansKept := kept{tracetest.NewInMemoryExporter()}
	w := &watched{Telemetry: telemetry.New(telemetry.Options{Exporter: spansKept}), spans: spansKept}
	handler := w.HTTP(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/broken" {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}), func(r *http.Request) string {
		if r.URL.Path == "/nowhere" {
			return ""
		}
		return "GET /{any}"
	})
	const callersTrace = "4bf92f3577b34da6a3ce929d0e0e4736"
	for _, path := range []string{"/a", "/b", "/broken", "/nowhere"} {
		r := httptest.NewRequest(http.MethodGet, path, nil)
		r.Header.Set("Traceparent", "00-"+callersTrace+"-00f067aa0ba902b7-01")
		handler.ServeHTTP(httptest.NewRecorder(), r)
	}
	w.want(t, "after four requests", map[string]float64{
		`curfew_http_requests_total{code="200",route="GET /{any}"}`: 2,
		`curfew_http_requests_total{code="503",route="GET /{any}"}`: 1,
		`curfew_http_requests_total{code="200",route="none"}`:       1,
	})
	spans := w.exported(t)
	if len(spans["GET /{any}"]) != 3 || len(spans["none"]) != 1 {
		t.Fatalf("the spans are %v", spans)
	}
	span := spans["none"][0]
	if span.Parent.IsValid() || len(span.Links) != 1 || span.Links[0].SpanContext.TraceID().String() != callersTrace {
		t.Errorf("the caller's trace must be linked to, and no parent: %+v", span)
	}
}

func TestTracesAreOffUnlessConfigured(t *testing.T) {
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "")
	t.Setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "")
	if e, err := telemetry.NewExporter(t.Context()); e != nil || err != nil {
		t.Errorf("without an endpoint there is the exporter %v, %v", e, err)
	}
	received := make(chan string, 1)
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case received <- r.URL.Path:
		default:
		}
	}))
	defer collector.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.URL)
	e, err := telemetry.NewExporter(t.Context())
	if err != nil || e == nil {
		t.Fatalf("with an endpoint there is the exporter %v, %v", e, err)
	}
	w := telemetry.New(telemetry.Options{Exporter: e})
	_, ended := w.Call(t.Context(), "orders-db", connector.CallCheck)
	ended(nil)
	if err := w.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	select {
	case path := <-received:
		if path != "/v1/traces" {
			t.Errorf("the spans went to %s", path)
		}
	default:
		t.Error("Close did not export the span that was left")
	}
}
