package api_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/api"
	"github.com/curfewhq/curfew/internal/engine"
	"github.com/curfewhq/curfew/internal/enginetest"
)

func TestEvents(t *testing.T) {
	s := serve(t)
	g := active(s)
	list := ok[api.EventList](s, enginetest.Olga, "GET", "/v1/events?wait=30s", "")
	for len(list.Items) < 5 {
		more := ok[api.EventList](s, enginetest.Olga, "GET", fmt.Sprintf("/v1/events?wait=30s&after=%d", list.Next), "")
		list.Items, list.Next = append(list.Items, more.Items...), more.Next
	}
	first := list.Items[0]
	if first.Position != 1 || first.Kind != "request.submitted" || first.Actor != "alice" || first.Personal["reason"] == "" || first.Request != g.Request {
		t.Errorf("%+v", first)
	}
	if body := s.call(enginetest.Olga, "GET", "/v1/events", "").body; strings.Contains(strings.ToLower(body), "salt") {
		t.Errorf("the salts leave: %s", body)
	}
	if list := ok[api.EventList](s, enginetest.Mallory, "GET", "/v1/events", ""); list.Items == nil || len(list.Items) != 0 || list.Next != 5 {
		t.Errorf("for one who may see nothing: %+v", list)
	}
	if list := ok[api.EventList](s, enginetest.Alice, "GET", "/v1/events?last=2", ""); len(list.Items) != 2 || list.Items[1].Position != 5 {
		t.Errorf("the last two: %+v", list)
	}
	if list := ok[api.EventList](s, enginetest.Alice, "GET", "/v1/events?after=1&limit=2", ""); len(list.Items) != 2 || list.Next != 3 {
		t.Errorf("two after the first: %+v", list)
	}
	refused(t, s.call("", "GET", "/v1/events", ""), 401)
	for _, query := range []string{"after=-1", "after=x", "after=6", "after=1&last=1", "last=1001", "limit=0", "limit=1001", "wait=soon", "wait=-1s", "since=1"} {
		refused(t, s.call(enginetest.Olga, "GET", "/v1/events?"+query, ""), 422)
	}
}

// stream is an answer under way, which is closed with the test.
type stream struct {
	status int
	header http.Header
	body   io.Reader
}

// streamOf opens a stream in the name of a person.
func (s *server) streamOf(ctx context.Context, who, query string, headers ...string) stream {
	s.t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/v1/events?"+query, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+who+"-token")
	r.Header.Set("Accept", "text/html;q=0.1, text/event-stream")
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	got, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = got.Body.Close() })
	return stream{got.StatusCode, got.Header, got.Body}
}

// sent is one block of a stream.
type sent struct {
	id   int64
	data *api.Event
}

// read takes the stream apart, block by block, as the standard says.
func blocks(t testing.TB, body io.Reader) func() (sent, bool) {
	scanner := bufio.NewScanner(body)
	scanner.Buffer(nil, 1<<20)
	return func() (b sent, ok bool) {
		for scanner.Scan() {
			field, value, _ := strings.Cut(scanner.Text(), ": ")
			var err error
			switch field {
			case "id":
				b.id, err = strconv.ParseInt(value, 10, 64)
			case "data":
				b.data = &api.Event{}
				err = json.Unmarshal([]byte(value), b.data)
			case "":
				if scanner.Text() == "" {
					return b, true
				}
			}
			if err != nil {
				t.Errorf("%q: %v", scanner.Text(), err)
			}
		}
		return b, false
	}
}

// Readers follow, each over connections that break again and again, while many write: nothing is missed, nothing comes
// twice, and everything in turn.
func TestStreamWhileManyWrite(t *testing.T) {
	s := serve(t)
	const writers, each, events = 8, 5, 8 * 5 * 4
	var all sync.WaitGroup
	for range writers {
		all.Go(func() {
			for range each {
				a := s.call(enginetest.Alice, "POST", "/v1/requests", asking(enginetest.Read, "10m"))
				if a.status != 201 {
					t.Errorf("%d %s", a.status, a.body)
				}
			}
		})
	}
	for breaksAfter := range 3 {
		all.Go(func() {
			var seen int64
			for seen < events {
				ctx, hangUp := context.WithCancel(t.Context())
				got := s.streamOf(ctx, enginetest.Olga, "", "Last-Event-ID", strconv.FormatInt(seen, 10))
				if got.status != 200 || got.header.Get("Content-Type") != "text/event-stream" {
					t.Errorf("%d %s", got.status, got.header.Get("Content-Type"))
				}
				next := blocks(t, got.body)
				for n := 0; seen < events && (breaksAfter == 0 || n < 10*breaksAfter); {
					b, ok := next()
					if !ok {
						t.Error("the stream has ended by itself")
						break
					}
					if b.data == nil {
						continue
					}
					n++
					if b.id != seen+1 || b.data.Position != b.id {
						t.Errorf("after %d comes %d (%d)", seen, b.id, b.data.Position)
					}
					seen = b.id
				}
				hangUp()
			}
		})
	}
	all.Wait()
}

// One who may see little is told how far the log was read, and resumes there.
func TestStreamOfOneWhoSeesNothing(t *testing.T) {
	s := serve(t)
	active(s)
	end := ok[api.EventList](s, enginetest.Olga, "GET", "/v1/events?limit=1000", "").Next
	next := blocks(t, s.streamOf(t.Context(), enginetest.Mallory, "").body)
	if b, _ := next(); b.data != nil || b.id < end {
		t.Errorf("%+v; want position %d at least, and nothing else", b, end)
	}
}

func TestStreamRefused(t *testing.T) {
	s := serve(t)
	active(s)
	for query, want := range map[string]int{"after=x": 422, "after=1000": 422, "limit=5": 422, "after=1&after=2": 422, "last=1&after=1": 422} {
		if got := s.streamOf(t.Context(), enginetest.Olga, query); got.status != want || got.header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %d", query, got.status)
		}
	}
	if got := s.streamOf(t.Context(), enginetest.Olga, "", "Last-Event-ID", "ev_1"); got.status != 422 {
		t.Errorf("another server's id: %d", got.status)
	}
	if got := s.streamOf(t.Context(), "nobody", ""); got.status != 401 {
		t.Errorf("nobody: %d", got.status)
	}
}

// A principal has eight streams; one that is closed makes room. Others are not affected.
func TestStreamsPerPrincipal(t *testing.T) {
	s := serve(t)
	ctx, hangUp := context.WithCancel(t.Context())
	for range 8 {
		if got := s.streamOf(ctx, enginetest.Olga, ""); got.status != 200 {
			t.Fatal(got.status)
		}
	}
	if got := s.streamOf(t.Context(), enginetest.Olga, ""); got.status != 429 {
		t.Errorf("the ninth stream: %d", got.status)
	}
	if got := s.streamOf(t.Context(), enginetest.Alice, ""); got.status != 200 {
		t.Errorf("another principal's: %d", got.status)
	}
	hangUp()
	for t.Context().Err() == nil {
		if s.streamOf(t.Context(), enginetest.Olga, "").status == 200 {
			return
		}
	}
}

// directory lets a test take a token back.
type changing struct {
	api.Authenticator
	mu   sync.Mutex
	gone bool
}

func (c *changing) Authenticate(ctx context.Context, token string) (access.Caller, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone {
		return access.Caller{}, access.Errorf(access.KindUnauthenticated, "The token is not known here any more.")
	}
	return c.Authenticator.Authenticate(ctx, token)
}

func (c *changing) takeBack() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gone = true
}

// idle is an engine of which the log never grows.
type idle struct{ *engine.Engine }

func (idle) WaitEvents(ctx context.Context, _ access.Principal, q engine.LogQuery) (engine.EventPage, error) {
	<-ctx.Done()
	return engine.EventPage{Next: q.After}, nil
}

// A stream has a sign of life every fifteen seconds, and ends with the right to it.
func TestStreamHeartbeatAndTokenTakenBack(t *testing.T) {
	w := enginetest.New(t)
	synctest.Test(t, func(t *testing.T) {
		directory := &changing{Authenticator: w.Directory}
		handler := api.New(api.Config{
			Engine: idle{w.Engine}, Authenticator: directory, Tenant: access.DefaultTenant, Log: slog.New(slog.DiscardHandler),
			Ready: func(context.Context) error { return nil },
		})
		answer := &recorder{ResponseRecorder: httptest.NewRecorder()}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/v1/events", nil)
			r.Header.Set("Authorization", "Bearer olga-token")
			r.Header.Set("Accept", "text/event-stream")
			handler.ServeHTTP(answer, r)
		}()
		time.Sleep(time.Minute + time.Second)
		if n := strings.Count(answer.text(), ": read to here\nid: 0\n\n"); n != 5 {
			t.Errorf("%d signs of life in a minute: %q", n, answer.text())
		}
		directory.takeBack()
		<-ended
	})
}

// recorder is a ResponseRecorder that may be looked at meanwhile, and has deadlines.
type recorder struct {
	*httptest.ResponseRecorder
	mu sync.Mutex
	b  bytes.Buffer
}

func (r *recorder) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.b.Write(p)
}

func (r *recorder) text() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.b.String()
}

func (r *recorder) SetReadDeadline(time.Time) error  { return nil }
func (r *recorder) SetWriteDeadline(time.Time) error { return nil }

// endless is an engine whose log has always more.
type endless struct{ *engine.Engine }

func (endless) Events(_ context.Context, _ access.Principal, q engine.LogQuery) (engine.EventPage, error) {
	page := engine.EventPage{Next: q.After + int64(q.Limit), More: true}
	for i := range q.Limit {
		page.Items = append(page.Items, engine.LoggedEvent{
			Position: q.After + int64(i) + 1, Event: access.Event{Kind: access.EventGrantActive, Detail: map[string]string{"why": strings.Repeat("x", 4096)}},
		})
	}
	return page, nil
}

func (e endless) WaitEvents(ctx context.Context, actor access.Principal, q engine.LogQuery) (engine.EventPage, error) {
	return e.Events(ctx, actor, q)
}

// A reader that takes nothing is dropped when its patience is over, instead of being sent to for ever.
func TestSlowReaderIsDropped(t *testing.T) {
	w := enginetest.New(t)
	synctest.Test(t, func(t *testing.T) {
		handler := api.New(api.Config{
			Engine: endless{w.Engine}, Authenticator: w.Directory, Tenant: access.DefaultTenant, Log: slog.New(slog.DiscardHandler),
			Ready: func(context.Context) error { return nil },
		})
		ours, theirs := net.Pipe()
		server := &http.Server{Handler: handler, ReadHeaderTimeout: time.Second}
		listener := &oneConn{conn: theirs, ended: make(chan struct{})}
		go func() { _ = server.Serve(listener) }()
		if _, err := io.WriteString(ours, "GET /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer olga-token\r\nAccept: text/event-stream\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		time.Sleep(11 * time.Second) // reading nothing
		n, err := io.Copy(io.Discard, ours)
		if time.Since(began) > 12*time.Second || n > 1<<20 {
			t.Errorf("the reader got %d bytes until %s after it had begun to sleep, %v", n, time.Since(began), err)
		}
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
}

// oneConn is a listener with one connection.
type oneConn struct {
	conn  net.Conn
	once  sync.Once
	ended chan struct{}
}

func (l *oneConn) Accept() (c net.Conn, err error) {
	l.once.Do(func() { c = l.conn })
	if c != nil {
		return c, nil
	}
	<-l.ended
	return nil, net.ErrClosed
}

func (l *oneConn) Close() error {
	close(l.ended)
	return nil
}

func (l *oneConn) Addr() net.Addr { return l.conn.LocalAddr() }
