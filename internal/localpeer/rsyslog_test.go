package localpeer_test

import (
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/curfewhq/curfew/internal/localpeer"
)

// What package delivery/syslog stands on: a line is understood as RFC 5424 has it, with its octets counted.
func TestRsyslog(t *testing.T) {
	r, err := localpeer.StartRsyslog(t.Context(), localpeer.RsyslogOptions{Progress: t.Output()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := r.Stop(); err != nil {
			t.Error(err)
		}
	}()
	conn, err := net.Dial("tcp", r.Addr())
	if err != nil {
		t.Fatal(err)
	}
	line := `<110>1 2026-11-23T05:00:00.000001Z host app - id [x@32473 a="b"] one line`
	if _, err := fmt.Fprintf(conn, "%d %s", len(line), line); err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
	var got []localpeer.SyslogLine
	for range 500 {
		if got, err = r.Lines(); err != nil || len(got) > 0 {
			break
		}
		<-time.After(10 * time.Millisecond)
	}
	want := []localpeer.SyslogLine{{
		Priority: "110", Version: "1", Timestamp: "2026-11-23T05:00:00.000001Z", Hostname: "host", App: "app", ID: "id",
		Data: `[x@32473 a="b"]`, Message: "one line",
	}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}
