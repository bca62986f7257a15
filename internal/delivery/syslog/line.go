package syslog

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/curfewhq/curfew/internal/delivery"
)

const (
	// priority is facility 13 (log audit), severity 6 (informational).
	priority = 13*8 + 6
	// structuredID names our structured data. 32473 is the enterprise number that RFC 5612 sets aside for examples: Curfew has
	// none of its own, and every other number would be somebody's.
	structuredID = "curfew@32473"
	// timestamp has no more than six digits of a second, the most that RFC 5424 allows.
	timestamp = "2006-01-02T15:04:05.999999Z07:00"

	// maxPacket is what a datagram carries on every system.
	maxPacket = 60 << 10

	maxHostname  = 255
	maxMessageID = 32
)

// line is an entry as RFC 5424 has it, without framing. The message has no byte order mark, which makes it octets to syslog and
// JSON to whoever reads it.
func (s *Stream) line(m delivery.Message) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "<%d>1 %s %s curfewd - %s [%s position=\"%d\" id=\"%s\"] ", priority, m.At.UTC().Format(timestamp), s.host,
		header(string(m.Kind), maxMessageID), structuredID, m.Position, escape(string(m.ID)))
	b.Write(m.Body)
	return b.Bytes()
}

// packet is the line of an entry as a datagram. One that is too long for that says so in place of its message: it would never
// arrive, and nothing behind it.
func (s *Stream) packet(m delivery.Message) []byte {
	line := s.line(m)
	if len(line) > maxPacket {
		m.Body = fmt.Appendf(nil, `{"position":%d,"too_long":true}`, m.Position)
		line = s.line(m)
	}
	return line
}

// header is a text as a field of the header may have it: visible ASCII, and a dash for nothing.
func header(text string, limit int) string {
	text = strings.Map(func(r rune) rune {
		if r < 33 || r > 126 {
			return -1
		}
		return r
	}, text)
	if text == "" {
		return "-"
	}
	return text[:min(len(text), limit)]
}

// escape is a text as the value of a parameter may have it.
func escape(text string) string {
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`, `]`, `\]`).Replace(strings.ToValidUTF8(text, "\uFFFD"))
}
