package redis

import (
	"context"

	"github.com/curfewhq/curfew/internal/connector"
)

// readable are the tasks of a batch whose plans can be read, each with its place.
type readable struct {
	places []int
	plans  []plan
}

// readPlans reads the plans; failed is told of each that cannot be read.
func readPlans(tasks []connector.Task, failed func(place int, err error)) (r readable) {
	for i, t := range tasks {
		v, err := decodePlan(t.Plan)
		if err != nil {
			failed(i, err)
			continue
		}
		r.places, r.plans = append(r.places, i), append(r.plans, v)
	}
	return r
}

func (r readable) names() []string {
	names := make([]string, len(r.plans))
	for i, v := range r.plans {
		names[i] = v.User
	}
	return names
}

// one is a batch of one.
func one[T any](ctx context.Context, batch func(context.Context, []connector.Task) []T, t connector.Task) T {
	return batch(ctx, []connector.Task{t})[0]
}
