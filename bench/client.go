package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// caller is somebody who calls the API over connections that stay open. It does little else, since it shares the
// machine with what it measures.
type caller struct {
	http  *http.Client
	url   string
	token string
}

func newCaller(url, token string) *caller {
	return &caller{
		http: &http.Client{Transport: &http.Transport{MaxIdleConns: 512, MaxIdleConnsPerHost: 512}},
		url:  url, token: token,
	}
}

// as is the same connections in the name of another.
func (c *caller) as(token string) *caller { return &caller{http: c.http, url: c.url, token: token} }

// call sends a body as JSON and reads the answer into out: as it is into a *[]byte, as JSON into anything
// else, and not at all into nil.
func (c *caller) call(ctx context.Context, method, path string, body []byte, out any) error {
	r, err := http.NewRequestWithContext(ctx, method, c.url+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	if len(body) > 0 {
		r.Header.Set("Content-Type", "application/json")
	}
	answer, err := c.http.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, 16<<20))
	if err != nil {
		return err
	}
	if answer.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %d %.300s", method, path, answer.StatusCode, text)
	}
	switch out := out.(type) {
	case nil:
		return nil
	case *[]byte:
		*out = text
		return nil
	default:
		return json.Unmarshal(text, out)
	}
}

// gauge reads one of the server's metrics, summed up over the series that have one of the labels; without labels over all.
func (c *caller) gauge(ctx context.Context, name string, labels ...string) (sum float64, err error) {
	var text []byte
	if err := c.call(ctx, http.MethodGet, "/metrics", nil, &text); err != nil {
		return 0, err
	}
	found := false
	for line := range strings.Lines(string(text)) {
		series, ok := strings.CutPrefix(line, name+"{")
		wanted := len(labels) == 0 || slices.ContainsFunc(labels, func(l string) bool { return strings.Contains(series, l) })
		if !ok || !wanted {
			continue
		}
		found = true
		v, err := strconv.ParseFloat(strings.TrimSpace(series[strings.LastIndexByte(series, ' ')+1:]), 64)
		if err != nil {
			return 0, err
		}
		sum += v
	}
	if !found {
		return 0, fmt.Errorf("the metrics lack %s", name)
	}
	return sum, nil
}

// load runs an operation on so many workers for so long, and times each. pids are the processes whose CPU counts. The
// first error ends it.
func load(ctx context.Context, workers int, d time.Duration, pids []int, op func(ctx context.Context, worker int) error) (sample, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var mu sync.Mutex
	var all []time.Duration
	var wg sync.WaitGroup
	cpu, began := treeCPU(pids...), time.Now()
	for w := range workers {
		wg.Go(func() {
			var own []time.Duration
			for time.Since(began) < d && ctx.Err() == nil {
				start := time.Now()
				if err := op(ctx, w); err != nil {
					cancel(err)
					break
				}
				own = append(own, time.Since(start))
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, own...)
		})
	}
	wg.Wait()
	s := sample{ops: len(all), elapsed: time.Since(began), cpu: treeCPU(pids...) - cpu, latencies: all}
	return s, context.Cause(ctx)
}
