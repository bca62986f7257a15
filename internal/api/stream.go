package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/engine"
)

const (
	// streamType is the media type of server-sent events (the WHATWG's HTML standard, section 9.2).
	streamType = "text/event-stream"
	// maxStreams is how many streams a principal may have open at once.
	maxStreams = 8
	// heartbeat is the longest silence on a stream, by which both ends and those between notice that the other is gone.
	heartbeat = 15 * time.Second
	// streamPage is how many entries are read at once. More are never held for a reader: what it has not taken stays in
	// the store.
	streamPage = 100
	// writePatience is how long a reader may take to take what is sent. One that is slower is dropped, and resumes.
	writePatience = 10 * time.Second
)

// streams counts the open streams of each principal.
type streams struct {
	mu   sync.Mutex
	open map[access.PrincipalID]int
}

// enter reports whether the principal may have one more; if so, the caller ends with leave.
func (s *streams) enter(id access.PrincipalID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[id] >= maxStreams {
		return false
	}
	s.open[id]++
	return true
}

func (s *streams) leave(id access.PrincipalID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[id]--; s.open[id] == 0 {
		delete(s.open, id)
	}
}

// stream answers with server-sent events where the caller asks for them, and leaves the others to next.
func (s *surface) stream(ctx huma.Context, next func(huma.Context)) {
	r, w := humago.Unwrap(ctx)
	if !wantsStream(r) {
		next(ctx)
		return
	}
	if err := s.follow(w, r); err != nil {
		writeProblem(w, s.problem(r.Context(), err))
	}
}

// describeStream says in the document what else than JSON the operation answers with. huma describes a type of its own only
// where none is described yet, so this comes after it.
func describeStream(op *huma.Operation) {
	op.Responses["200"].Content[streamType] = &huma.MediaType{Schema: &huma.Schema{
		Type:        huma.TypeString,
		Description: "Server-sent events without an end. Each has its position as the id, by which Last-Event-ID resumes, and an Event as its data",
	}}
}

// wantsStream reports whether the caller names the type of streams among those that it takes.
func wantsStream(r *http.Request) bool {
	for _, accept := range r.Header.Values("Accept") {
		for part := range strings.SplitSeq(accept, ",") {
			if kind, _, err := mime.ParseMediaType(part); err == nil && kind == streamType {
				return true
			}
		}
	}
	return false
}

// follow streams the log until the caller or the server goes. An error is one from before the stream began.
func (s *surface) follow(w http.ResponseWriter, r *http.Request) error {
	actor := actorOf(r.Context())
	if !s.streams.enter(actor.ID) {
		return access.Errorf(access.KindExhausted, "You have %d streams open already; close one.", maxStreams)
	}
	defer s.streams.leave(actor.ID)
	after, err := s.resume(r)
	if err != nil {
		return err
	}
	page, err := s.Engine.Events(r.Context(), actor, engine.LogQuery{After: after, Limit: streamPage})
	if err != nil {
		return err
	}
	// The connection may serve other calls afterwards.
	defer func() { _ = http.NewResponseController(w).SetWriteDeadline(time.Time{}) }()
	w.Header().Set("Content-Type", streamType)
	w.WriteHeader(http.StatusOK)
	for r.Context().Err() == nil {
		if err := send(w, page); err != nil {
			return nil // the reader is gone, or too slow
		}
		if page, err = s.nextPage(r, page.Next); err != nil {
			// The status has been sent. The reader comes again, and is told then.
			_ = s.problem(r.Context(), err)
			return nil
		}
	}
	return nil
}

// nextPage waits for more, or for the next heartbeat. Who is not known any more, or may see less, notices it here.
func (s *surface) nextPage(r *http.Request, after int64) (engine.EventPage, error) {
	caller, err := s.identify(r)
	if err != nil {
		return engine.EventPage{}, err
	}
	waiting, cancel := context.WithTimeout(r.Context(), heartbeat)
	defer cancel()
	return s.Engine.WaitEvents(waiting, caller.Principal, engine.LogQuery{After: after, Limit: streamPage})
}

// resume is where the reader wants to begin: behind the last event that it has seen, if it was here before.
func (s *surface) resume(r *http.Request) (int64, error) {
	if last := r.Header.Get("Last-Event-ID"); last != "" {
		return position("Last-Event-ID", last)
	}
	var q EventQuery
	for key, values := range r.URL.Query() {
		n, err := position(key, values[0])
		switch {
		case key != "after" && key != "last" || len(values) > 1:
			return 0, access.Errorf(access.KindInvalid, "A stream takes after or last, once, and nothing else.")
		case err != nil:
			return 0, err
		case key == "after":
			q.After = n
		default:
			q.Last = int(min(n, maxLast))
		}
	}
	return s.begin(r.Context(), q)
}

// maxLast is how far before the end a reader may begin.
const maxLast = 1000

func position(name, text string) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return 0, access.Errorf(access.KindInvalid, "The %s is no position in the log: a number from 0 on.", name)
	}
	return n, nil
}

// send writes the entries, and how far the log was read, so that a reader who may see little resumes near the end. With
// nothing to see that is the heartbeat: a comment, and an id without data, which is remembered and shown to nobody.
func send(w http.ResponseWriter, page engine.EventPage) error {
	var b bytes.Buffer
	for _, ev := range page.Items {
		data, err := json.Marshal(newEvent(ev))
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "id: %d\ndata: %s\n\n", ev.Position, data)
	}
	fmt.Fprintf(&b, ": read to here\nid: %d\n\n", page.Next)
	control := http.NewResponseController(w)
	if err := control.SetWriteDeadline(time.Now().Add(writePatience)); err != nil {
		return err
	}
	if _, err := w.Write(b.Bytes()); err != nil {
		return err
	}
	return control.Flush()
}
