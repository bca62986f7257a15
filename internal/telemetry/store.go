package telemetry

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/curfewhq/curfew/internal/store"
)

// Store wraps a store, so that its transactions are counted and traced, and so is what is committed in them.
func (t *Telemetry) Store(s store.Store) store.Store {
	return &watchedStore{Store: s, telemetry: t}
}

// StoreDamaged notes that the store's file was found damaged.
func (t *Telemetry) StoreDamaged() { t.metrics.damaged.Set(1) }

// watchedStore is a store whose transactions are watched; views are not.
type watchedStore struct {
	store.Store
	telemetry *Telemetry
}

// Update implements store.Store.
func (s *watchedStore) Update(ctx context.Context, name store.TxName, fn func(store.Tx) error) error {
	t := s.telemetry
	ctx, span := t.tracer.Start(ctx, "transaction "+string(name),
		trace.WithAttributes(attribute.String("curfew.transaction", string(name))))
	began := time.Now()
	var seen *sighting
	err := s.Store.Update(ctx, name, func(tx store.Tx) error {
		// fn may run more than once; what the last run saw was committed.
		w := &watchedTx{Tx: tx, seen: &sighting{}}
		err := fn(w)
		seen = w.seen
		return err
	})
	t.metrics.commits.WithLabelValues(string(name)).Observe(time.Since(began).Seconds())
	if err != nil {
		// fn may still be running, so seen is not looked at.
		t.metrics.refused.WithLabelValues(string(name), kindOf(err)).Inc()
		endSpan(span, err)
		return err
	}
	t.committed(span, seen)
	endSpan(span, nil)
	return nil
}
