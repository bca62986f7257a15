package config_test

import (
	"errors"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/curfewhq/curfew/internal/config"
)

// FuzzLoad demands of any bytes that they are read without a panic, that what is said of them is bounded, and that every
// mistake lies inside the file.
func FuzzLoad(f *testing.F) {
	for _, path := range checkCases(f) {
		if content, err := os.ReadFile(path); err == nil {
			f.Add(content)
		}
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		cfg, err := config.Load(write(t, string(content)), options())
		if err == nil {
			if cfg == nil || cfg.PolicySet == nil || cfg.Store == (config.Store{}) || len(cfg.Roles) == 0 {
				t.Fatalf("accepted, and incomplete: %+v", cfg)
			}
			return
		}
		errs, ok := errors.AsType[*config.Errors](err)
		if !ok {
			if len(content) <= 1<<20 {
				t.Fatalf("an error of another kind: %v", err)
			}
			return
		}
		if len(errs.Mistakes) == 0 || len(errs.Mistakes) > 50 {
			t.Fatalf("%d mistakes", len(errs.Mistakes))
		}
		lines := strings.Count(string(content), "\n") + 1
		for _, m := range errs.Mistakes {
			if m.Line < 0 || m.Line > lines+1 || m.Column < 0 || m.Message == "" || len(m.Message) > 16<<10 {
				t.Errorf("mistake out of bounds: %+v", m)
			}
			if !utf8.ValidString(m.Excerpt) || utf8.RuneCountInString(m.Excerpt) > 400 || strings.Count(m.Excerpt, "\n") > 2 {
				t.Errorf("excerpt out of bounds: %q", m.Excerpt)
			}
		}
	})
}
