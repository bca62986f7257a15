package main

import (
	"math/rand/v2"
	"slices"
	"time"
)

// resamples is how many times the bootstrap draws.
const resamples = 2000

// median of at least one value.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	if n%2 == 1 {
		return sorted[n/2]
	}
	return (sorted[n/2-1] + sorted[n/2]) / 2
}

// bootstrap is the interval in which the median lies in 95 of 100 draws with replacement. The draws are the same each
// time, so that the same measurements give the same interval.
func bootstrap(values []float64) (low, high float64) {
	draw := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // statistics, no secrets
	medians := make([]float64, resamples)
	drawn := make([]float64, len(values))
	for i := range medians {
		for j := range drawn {
			drawn[j] = values[draw.IntN(len(values))]
		}
		medians[i] = median(drawn)
	}
	slices.Sort(medians)
	return medians[resamples*25/1000], medians[resamples*975/1000]
}

// percentile is the smallest of the values that is not below the share p of them; zero of none.
func percentile(values []time.Duration, p float64) time.Duration {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[min(len(sorted)-1, int(p*float64(len(sorted))))]
}
