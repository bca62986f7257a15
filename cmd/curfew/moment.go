package main

import (
	"errors"
	"time"
)

// localMinute is how people write a moment of their own clock.
const localMinute = "2006-01-02T15:04"

// momentFlag is a flag that takes a moment, as in 2026-03-01T22:00, of the machine's time zone, or with a zone as in
// RFC 3339.
type momentFlag time.Time

// String implements pflag.Value. The zero value is the empty text, so that help names no default.
func (m *momentFlag) String() string {
	if time.Time(*m).IsZero() {
		return ""
	}
	return time.Time(*m).Format(time.RFC3339)
}

// Set implements pflag.Value.
func (m *momentFlag) Set(text string) error {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t, err = time.ParseInLocation(localMinute, text, time.Local)
	}
	if err != nil {
		return errors.New("write a moment like 2026-03-01T22:00, or with its zone like 2026-03-01T22:00:00+01:00")
	}
	*m = momentFlag(t)
	return nil
}

// Type implements pflag.Value; it stands in the help.
func (m *momentFlag) Type() string { return "time" }
