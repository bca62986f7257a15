package main

import (
	"os"
	"testing"
	"time"
)

func TestParseProcess(t *testing.T) {
	const stat = "4711 (post) (gres x) S 1 4711 4711 0 -1 4194560 100 200 0 0 150 50 30 20 20 0 1 0 12345 1000 200 18446744073709551615"
	p, err := parseProcess(4711, []byte(stat))
	if err != nil {
		t.Fatal(err)
	}
	want := process{pid: 4711, parent: 1, name: "post) (gres x", cpu: 2 * time.Second, children: 500 * time.Millisecond}
	if p != want {
		t.Errorf("got %+v, want %+v", p, want)
	}
	for _, bad := range []string{"", "1 (x", "1 (x) S 1", "1 (x) S 1 2 3 4 5 6 7 8 9 10 a b c d e"} {
		if _, err := parseProcess(1, []byte(bad)); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

// Waiting for a disk or for nothing is no work, and what a guest did is in the user's time already.
func TestParseMachine(t *testing.T) {
	if got := parseMachine("cpu  100 20 30 9999 8888 4 5 6 70 80\ncpu0 1 1 1 1\n"); got != 1650*time.Millisecond {
		t.Errorf("the machine was at work for %s, want 1.65s", got)
	}
}

func TestTreeCPUCountsThisProcess(t *testing.T) {
	before := treeCPU(os.Getpid())
	for began := treeCPU(os.Getpid()); treeCPU(os.Getpid()) < began+2*tick; {
		continue
	}
	if after := treeCPU(os.Getpid()); after <= before {
		t.Errorf("%s before, %s after", before, after)
	}
	if now, peak, err := residentBytes(os.Getpid()); err != nil || now == 0 || peak < now/2 {
		t.Errorf("the memory is %d, at most %d: %v", now, peak, err)
	}
}
