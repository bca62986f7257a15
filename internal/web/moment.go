package web

import (
	"strconv"
	"time"
)

// moment is a time as people read it, beside the present. Nobody knows the time zone of a browser that runs no script.
type moment struct{ at, now time.Time }

func (h *Handler) moment(at time.Time) moment { return moment{at: at.UTC(), now: h.config.Now().UTC()} }

// Machine is the time for programs.
func (m moment) Machine() string { return m.at.Format(time.RFC3339) }

// Text is the time for people.
func (m moment) Text() string { return m.at.Format("2 Jan 2006, 15:04 UTC") }

// Beside is how far it is from now.
func (m moment) Beside() string {
	if d := m.at.Sub(m.now); d > 0 {
		return "in " + span(d)
	}
	if d := m.now.Sub(m.at); d >= time.Minute {
		return span(d) + " ago"
	}
	return "just now"
}

// span is a duration in its two largest units.
func span(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d < time.Minute:
		return "less than a minute"
	case d < time.Hour:
		return strconv.Itoa(int(d/time.Minute)) + " min"
	case d < 2*day:
		text := strconv.Itoa(int(d/time.Hour)) + " h"
		if minutes := int(d % time.Hour / time.Minute); minutes > 0 {
			text += " " + strconv.Itoa(minutes) + " min"
		}
		return text
	}
	return strconv.Itoa(int(d/day)) + " days"
}
