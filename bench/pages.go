package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"time"
)

// list is one way to look at requests.
type list struct{ name, who, scope string }

func lists() []list {
	return []list{
		{"mine", holder(0), "mine"},
		{"pending, for me to review", "bob", "to-review"},
		{"everybody's", "carol", "all"},
	}
}

// measurePages times the first page of each list, from one caller, in turn with a server that has the same bytes at hand. The
// difference is what the server itself takes.
func measurePages(ctx context.Context, s settings, i installation, server *child) ([]figure, error) {
	var figures []figure
	for _, l := range lists() {
		f, err := measurePage(ctx, s, l, newCaller(server.url, i.token(l.who)), server)
		if err != nil {
			return nil, fmt.Errorf("the list %q: %w", l.name, err)
		}
		figures = append(figures, f...)
	}
	return figures, nil
}

func measurePage(ctx context.Context, s settings, l list, who *caller, server *child) ([]figure, error) {
	path := "/v1/requests?scope=" + l.scope
	var page struct {
		Items []answered `json:"items"`
	}
	var body []byte
	if err := who.call(ctx, http.MethodGet, path, nil, &page); err != nil {
		return nil, err
	}
	if err := who.call(ctx, http.MethodGet, path, nil, &body); err != nil {
		return nil, err
	}
	if len(page.Items) == 0 {
		return nil, fmt.Errorf("%s has nothing to show", l.who)
	}
	bare, err := listen(ctx, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(body)
	}))
	if err != nil {
		return nil, err
	}
	defer bare.close()
	limit := newCaller(bare.url, "")
	get := func(c *caller, path string, pid int) side {
		return func(ctx context.Context, d time.Duration) (sample, error) {
			return load(ctx, 1, d, []int{pid}, func(ctx context.Context, _ int) error {
				var read []byte
				return c.call(ctx, http.MethodGet, path, nil, &read)
			})
		}
	}
	rounds, err := paired(ctx, s, get(who, path, server.pid()), get(limit, "/", os.Getpid()))
	if err != nil {
		return nil, err
	}
	return overLimit(rounds, fmt.Sprintf("%s, %d of them", l.name, len(page.Items))), nil
}

// overLimit is by how much latencies exceed those of the limit.
func overLimit(rounds []round, name string) []figure {
	kept, disturbed := quiet(rounds)
	var p50, p99, limit, cost []float64
	for _, r := range kept {
		over := func(p float64) float64 {
			return milliseconds(percentile(r.ours.latencies, p) - percentile(r.limit.latencies, p))
		}
		p50, p99 = append(p50, over(0.5)), append(p99, over(0.99))
		limit, cost = append(limit, milliseconds(percentile(r.limit.latencies, 0.5))), append(cost, r.ours.cost())
	}
	return []figure{
		estimate(name+": p50 over HTTP", "ms", p50, "", fmt.Sprintf("%d rounds, %d disturbed", len(rounds), disturbed)),
		estimate(name+": p99 over HTTP", "ms", p99, "≤ 1 ms", ""),
		estimate(name+": server CPU", "µs/page", cost, "", ""),
		estimate(name+": limit, p50 of HTTP with the same bytes", "ms", limit, "", ""),
	}
}
