package localpeer

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
)

// RsyslogOptions say how to start rsyslog.
type RsyslogOptions struct {
	// Progress gets a line when something has to be installed. Nil discards it.
	Progress io.Writer
}

// Rsyslog is a private log server that takes lines by TCP and by UDP on a loopback port, and as packets on a socket. It dies
// with this process. Its methods are safe for concurrent use.
type Rsyslog struct {
	server
	program string
	// probe is in lines that only find out whether it works.
	probe string
}

const (
	rsyslogConfig = "rsyslog.conf"
	rsyslogOut    = "lines.json"
	rsyslogSocket = "log"
)

// rsyslogText is its configuration: every line goes to a file, as JSON with what rsyslog understood of it.
const rsyslogText = `
global(workDirectory="%[1]s" maxMessageSize="256k")
module(load="imtcp")
module(load="imudp")
module(load="imuxsock" SysSock.Use="off")
input(type="imtcp" address="127.0.0.1" port="%[2]d")
input(type="imudp" address="127.0.0.1" port="%[2]d")
input(type="imuxsock" Socket="%[1]s/` + rsyslogSocket + `" UseSpecialParser="off" ParseHostname="on" IgnoreTimestamp="off")
template(name="understood" type="list" option.jsonf="on") {
	property(outname="priority" name="pri" format="jsonf")
	property(outname="version" name="protocol-version" format="jsonf")
	property(outname="timestamp" name="timereported" dateFormat="rfc3339" format="jsonf")
	property(outname="hostname" name="hostname" format="jsonf")
	property(outname="app" name="app-name" format="jsonf")
	property(outname="id" name="msgid" format="jsonf")
	property(outname="data" name="structured-data" format="jsonf")
	property(outname="message" name="msg" format="jsonf")
}
action(type="omfile" file="%[1]s/` + rsyslogOut + `" template="understood")
`

// StartRsyslog starts a server and returns when it has written a line. The context bounds the start, installation included,
// not the life of the server; the caller must Stop it.
func StartRsyslog(ctx context.Context, o RsyslogOptions) (*Rsyslog, error) {
	if o.Progress == nil {
		o.Progress = io.Discard
	}
	program, err := NeedProgram(ctx, o.Progress, "rsyslogd", "rsyslog")
	if err != nil {
		return nil, err
	}
	f, err := openFolder("", nil)
	if err != nil {
		return nil, err
	}
	r := &Rsyslog{server: server{folder: f}, program: program, probe: rand.Text()}
	r.recipe = recipe{
		name: "rsyslog", command: r.command, ready: r.answers, portTaken: "Address already in use",
		polite: syscall.SIGTERM, abrupt: syscall.SIGKILL,
	}
	if err := r.start(ctx); err != nil {
		return nil, errors.Join(err, f.close())
	}
	return r, nil
}

// command writes the configuration, which has the port. Without it the program does not start, and says so.
func (r *Rsyslog) command(port int) []string {
	_ = os.WriteFile(r.folder.join(rsyslogConfig), fmt.Appendf(nil, rsyslogText, r.folder.path, port), 0o600)
	return []string{r.program, "-n", "-f", r.folder.join(rsyslogConfig), "-i", r.folder.join("pid")}
}

// answers sends a line that no other server knows of, and looks for it.
func (r *Rsyslog) answers(ctx context.Context, port int) error {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", addr(port))
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(conn, "<14>1 - - - - - - %s\n", r.probe)
	if err := errors.Join(err, conn.Close()); err != nil {
		return err
	}
	text, err := os.ReadFile(r.folder.join(rsyslogOut))
	if err == nil && !bytes.Contains(text, []byte(r.probe)) {
		err = errors.New("it has not written the line that it was sent")
	}
	return err
}

// Socket is the path of the socket that takes packets.
func (r *Rsyslog) Socket() string { return r.folder.join(rsyslogSocket) }

// SyslogLine is a line as rsyslog understood it.
type SyslogLine struct {
	Priority, Version, Timestamp, Hostname, App, ID, Data, Message string
}

// Lines are those that it has written, in the order in which it did.
func (r *Rsyslog) Lines() (lines []SyslogLine, err error) {
	text, err := os.ReadFile(r.folder.join(rsyslogOut))
	if err != nil {
		return nil, err
	}
	for line := range bytes.Lines(text) {
		if !bytes.HasSuffix(line, []byte("\n")) {
			break // it is being written
		}
		var l SyslogLine
		if err := json.Unmarshal(line, &l); err != nil {
			return nil, fmt.Errorf("%q: %w", line, err)
		}
		if !bytes.Contains(line, []byte(r.probe)) {
			lines = append(lines, l)
		}
	}
	return lines, nil
}
