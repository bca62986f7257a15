package web

import (
	"strings"
	"testing"
	"time"
)

func TestBrowserLabel(t *testing.T) {
	for userAgent, want := range map[string]string{
		"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36":                                          "Chrome on Linux",
		"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/141.0.0.0 Safari/537.36":                                  "Chrome on Linux",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36 Edg/141.0.0.0":                  "Edge on Windows",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:144.0) Gecko/20100101 Firefox/144.0":                                                               "Firefox on Windows",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Safari/605.1.15":                          "Safari on macOS",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/141.0.7390.41 Mobile/15E148 Safari/604.1": "Chrome on iPhone",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Mobile/15E148 Safari/604.1":        "Safari on iPhone",
		"Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36":            "Samsung Internet on Android",
		"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36":                                 "Chrome on ChromeOS",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36 OPR/122.0.0.0":            "Opera on macOS",
		"":           "A browser on an unknown system",
		"curl/8.5.0": "A browser on an unknown system",
		"<script>\n\x00" + strings.Repeat("Firefox/", 1000): "Firefox on an unknown system",
	} {
		if got := browserLabel(userAgent); got != want {
			t.Errorf("%.80q is %q, want %q", userAgent, got, want)
		}
	}
}

func TestMoment(t *testing.T) {
	now := time.Date(2026, 11, 23, 14, 5, 0, 0, time.FixedZone("CET", 3600))
	for d, want := range map[time.Duration]string{
		0: "just now", -59 * time.Second: "just now", -time.Minute: "1 min ago", -90 * time.Minute: "1 h 30 min ago", -72 * time.Hour: "3 days ago",
		time.Second: "in less than a minute", 8 * time.Hour: "in 8 h", 47*time.Hour + 59*time.Minute: "in 47 h 59 min", 90 * 24 * time.Hour: "in 90 days",
	} {
		m := moment{at: now.Add(d), now: now}
		if got := m.Beside(); got != want {
			t.Errorf("%s is %q, want %q", d, got, want)
		}
	}
	if m := (moment{at: now.UTC()}); m.Text() != "23 Nov 2026, 13:05 UTC" || m.Machine() != "2026-11-23T13:05:00Z" {
		t.Errorf("%s %s", m.Text(), m.Machine())
	}
}
