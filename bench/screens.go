package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/curfewhq/curfew/internal/access"
)

// measureScreens is number 10: lists over a long history, and how long after an approval everybody who looks on has it on
// the screen.
func measureScreens(ctx context.Context, s settings) (_ []figure, err error) {
	n, readers, approvals := 1_000_000, 64, 200
	if s.quick {
		n, readers, approvals = 20_000, 16, 40
	}
	i, err := installOnce(ctx, memoryConnector)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, i.remove()) }()
	// Auditors see everything, and each person may have a few streams only.
	if err := i.edit("roles: {", `roles: {auditor: ["group:engineering"], `); err != nil {
		return nil, err
	}
	s.progress("   %d requests are seeded", n)
	if err := seedHistory(ctx, i, n); err != nil {
		return nil, err
	}
	server, err := i.start(ctx, "-idle-target")
	if err != nil {
		return nil, err
	}
	figures := []figure{single("requests in the books", "", float64(n))}
	err = restUntil(ctx, server, time.Now().Add(restLimit))
	if err == nil {
		var pages []figure
		pages, err = measurePages(ctx, s, i, server)
		figures = append(figures, pages...)
	}
	p := newPairs(i, server.url)
	if err == nil {
		var shown []figure
		shown, err = measureShown(ctx, p, server.url, readers, approvals)
		figures = append(figures, shown...)
	}
	if err != nil {
		return figures, errors.Join(err, server.kill())
	}
	verdict, err := p.gate(ctx, s, server)
	return append(figures, verdict), err
}

// showLimit is how long a reader may wait for an event.
const showLimit = 30 * time.Second

// measureShown approves one request after the other, and waits each time until all readers of the event stream have it.
func measureShown(ctx context.Context, p *pairs, url string, readers, approvals int) ([]figure, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	arrivals := make(chan arrival, readers)
	end, err := lastPosition(ctx, p.bob.as(p.installation.token("carol")))
	if err != nil {
		return nil, err
	}
	for k := range readers {
		r := reader{who: newCaller(url, p.installation.token(asker(k))), arrivals: arrivals}
		body, err := r.open(ctx, end)
		if err != nil {
			return nil, err
		}
		go func() { cancel(r.follow(ctx, body)) }()
	}
	var each, all, answers []time.Duration
	for range approvals {
		id, err := p.ask(ctx)
		if err != nil {
			return nil, err
		}
		sent := time.Now()
		if err := p.approve(ctx, id); err != nil {
			return nil, err
		}
		answer := time.Now()
		answers = append(answers, answer.Sub(sent))
		last := time.Time{}
		for range readers {
			at, err := next(ctx, arrivals, id)
			if err != nil {
				return nil, err
			}
			each = append(each, at.Sub(answer))
			if at.After(last) {
				last = at
			}
		}
		all = append(all, last.Sub(answer))
	}
	return []figure{
		single("approval: sent until answered, p50", "ms", milliseconds(percentile(answers, 0.5))),
		single(fmt.Sprintf("its answer until a screen has it, p50 of %d", readers), "ms", milliseconds(percentile(each, 0.5))).wants("≤ 1 ms"),
		single("its answer until a screen has it, p99", "ms", milliseconds(percentile(each, 0.99))),
		single("its answer until every screen has it, p50", "ms", milliseconds(percentile(all, 0.5))),
	}, nil
}

// lastPosition is where the audit log ends now.
func lastPosition(ctx context.Context, who *caller) (int64, error) {
	var page struct {
		Next int64 `json:"next"`
	}
	err := who.call(ctx, http.MethodGet, "/v1/events?last=1&limit=1", nil, &page)
	return page.Next, err
}

// arrival is the moment in which a reader has the approval of a request.
type arrival struct {
	request access.RequestID
	at      time.Time
}

// next is when the next reader had the approval of the request.
func next(ctx context.Context, arrivals <-chan arrival, id access.RequestID) (time.Time, error) {
	select {
	case a := <-arrivals:
		if a.request != id {
			return time.Time{}, fmt.Errorf("a reader was told of request %s, and %s was approved", a.request, id)
		}
		return a.at, nil
	case <-ctx.Done():
		return time.Time{}, context.Cause(ctx)
	case <-time.After(showLimit):
		return time.Time{}, fmt.Errorf("a reader has not heard of the approval of %s after %s", id, showLimit)
	}
}

// reader is somebody who looks on: a stream of server-sent events.
type reader struct {
	who      *caller
	arrivals chan<- arrival
}

// open begins to read behind a position. When it returns, the server has answered.
func (r reader) open(ctx context.Context, after int64) (io.ReadCloser, error) {
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("%s/v1/events?after=%d", r.who.url, after), nil)
	if err != nil {
		return nil, err
	}
	q.Header.Set("Authorization", "Bearer "+r.who.token)
	q.Header.Set("Accept", "text/event-stream")
	answer, err := r.who.http.Do(q) //nolint:bodyclose // follow closes it
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		answer.Body.Close()
		return nil, fmt.Errorf("the stream of events: %s", answer.Status)
	}
	return answer.Body, nil
}

// follow reports each approval until ctx ends.
func (r reader) follow(ctx context.Context, body io.ReadCloser) error {
	defer body.Close()
	for lines := bufio.NewScanner(body); lines.Scan(); {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		at := time.Now()
		var ev struct {
			Kind    access.EventKind `json:"kind"`
			Request access.RequestID `json:"request"`
		}
		if err := json.Unmarshal([]byte(data), &ev); err != nil {
			return err
		}
		if ev.Kind != access.EventRequestApproved {
			continue
		}
		select {
		case r.arrivals <- arrival{ev.Request, at}:
		case <-ctx.Done():
			return nil
		}
	}
	return errors.New("the stream of events ended")
}
