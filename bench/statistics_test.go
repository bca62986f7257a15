package main

import (
	"testing"
	"time"
)

func TestMedian(t *testing.T) {
	for want, values := range map[float64][]float64{3: {9, 3, 1}, 2.5: {4, 1, 2, 3}, 7: {7}} {
		if got := median(values); got != want {
			t.Errorf("the median of %v is %v, want %v", values, got, want)
		}
	}
}

func TestPercentile(t *testing.T) {
	var values []time.Duration
	for i := range 100 {
		values = append(values, time.Duration(100-i))
	}
	for p, want := range map[float64]time.Duration{0: 1, 0.5: 51, 0.99: 100, 1: 100} {
		if got := percentile(values, p); got != want {
			t.Errorf("p%v is %d, want %d", p, got, want)
		}
	}
	if percentile(nil, 0.5) != 0 {
		t.Error("nothing has a percentile")
	}
}

// The interval holds the median, is narrow where the values are alike, and is the same each time.
func TestBootstrap(t *testing.T) {
	alike, apart := []float64{10, 10.1, 9.9, 10, 10.2, 9.8, 10}, []float64{1, 20, 3, 18, 10, 2, 19}
	low, high := bootstrap(alike)
	if low > 10 || high < 10 || high-low > 0.4 {
		t.Errorf("the interval of %v is %v to %v", alike, low, high)
	}
	wideLow, wideHigh := bootstrap(apart)
	if wideHigh-wideLow < 10 {
		t.Errorf("the interval of %v is %v to %v, and should be wide", apart, wideLow, wideHigh)
	}
	if l, h := bootstrap(apart); l != wideLow || h != wideHigh {
		t.Error("the same values gave another interval")
	}
}

func TestQuietLeavesOutWhatOthersDisturbed(t *testing.T) {
	calm, loud := round{foreign: 0.01}, round{foreign: 0.5}
	if kept, disturbed := quiet([]round{calm, loud, calm, calm}); len(kept) != 3 || disturbed != 1 {
		t.Errorf("%d kept, %d disturbed", len(kept), disturbed)
	}
	if kept, disturbed := quiet([]round{calm, loud, loud}); len(kept) != 3 || disturbed != 2 {
		t.Errorf("with too few quiet rounds: %d kept, %d disturbed", len(kept), disturbed)
	}
}
