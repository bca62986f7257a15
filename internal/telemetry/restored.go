package telemetry

import "time"

// Restored shows when the store was last restored from a backup.
func (t *Telemetry) Restored(at time.Time) { t.metrics.restored.Set(float64(at.UnixMilli()) / 1000) }

// VoidTokens shows how many tokens in the configuration are void since the store was restored.
func (t *Telemetry) VoidTokens(n int) { t.metrics.voidTokens.Set(float64(n)) }
