package simulation

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"
)

// trace is what happened, a line each. It holds nothing that is drawn at random elsewhere, such as passwords, so that the
// same seed has the same trace.
type trace struct {
	begin time.Time
	lines []string
}

func (t *trace) add(who, format string, args ...any) {
	at := time.Since(t.begin).Truncate(time.Millisecond)
	t.lines = append(t.lines, fmt.Sprintf("%12s  %-28s %s", at, who, fmt.Sprintf(format, args...)))
}

// hash tells traces apart.
func (t *trace) hash() string {
	h := sha256.New()
	for _, l := range t.lines {
		fmt.Fprintln(h, l)
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}
