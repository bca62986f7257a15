package main

import (
	"errors"
	"time"
)

// durationFlag is a flag that takes a duration above zero, as in 30m.
type durationFlag time.Duration

// String implements pflag.Value. The zero value is the empty text, so that help names no default.
func (d *durationFlag) String() string {
	if *d == 0 {
		return ""
	}
	return shortText(time.Duration(*d).String())
}

// Set implements pflag.Value.
func (d *durationFlag) Set(text string) error {
	v, err := time.ParseDuration(text)
	if err != nil {
		return errors.New("write a duration like 30m, 4h or 1h30m")
	}
	if v <= 0 {
		return errors.New("a duration is at least 1s")
	}
	*d = durationFlag(v)
	return nil
}

// Type implements pflag.Value; it stands in the help.
func (d *durationFlag) Type() string { return "duration" }
