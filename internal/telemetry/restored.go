package telemetry

import "time"

// Restored shows that the store was restored from a backup, and how many tokens in the configuration are void since.
func (t *Telemetry) Restored(at time.Time, voidTokens int) {
	t.metrics.restored.Set(float64(at.UnixMilli()) / 1000)
	t.metrics.voidTokens.Set(float64(voidTokens))
}
