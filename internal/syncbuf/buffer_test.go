package syncbuf_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/curfewhq/curfew/internal/syncbuf"
)

// Each write stands in one piece, whoever looks meanwhile; the race detector looks as well.
func TestWritesStayWhole(t *testing.T) {
	var b syncbuf.Buffer
	var writers sync.WaitGroup
	for w := range 4 {
		writers.Go(func() {
			for range 100 {
				fmt.Fprintf(&b, "%d%d%d\n", w, w, w)
				_ = b.String()
			}
		})
	}
	writers.Wait()
	for w := range 4 {
		if n := strings.Count(b.String(), strings.Repeat(fmt.Sprint(w), 3)+"\n"); n != 100 {
			t.Errorf("of 100 lines of writer %d there are %d", w, n)
		}
	}
}
