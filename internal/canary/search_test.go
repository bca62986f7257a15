package canary

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"sync"
	"testing"
)

// prefix is the beginning of a form, by which it is found.
type prefix [shortest]byte

// watch is the canaries that are sought, and the places where they are. It is safe for concurrent use.
type watch struct {
	mu     sync.Mutex
	known  map[string]bool
	forms  map[prefix][]form
	places []place
	// allowed are the canaries that a place may have, once each or often.
	allowed map[allowance]bool
}

// allowance is a canary in a place.
type allowance struct{ place, canary string }

// place is somewhere that a secret could have got to.
type place struct {
	name string
	read func() ([]byte, error)
	// but names canaries that are meant to be there.
	but []string
}

// finding is a canary where it should not be. It does not repeat it.
type finding struct{ place, canary, form string }

func (f finding) String() string { return fmt.Sprintf("%s is in %s (%s)", f.canary, f.place, f.form) }

// report is what a search came to.
type report struct {
	places, bytes int
	found         []finding
}

func (r report) String() string {
	return fmt.Sprintf("searched %d places, %.1f MB, %d found", r.places, float64(r.bytes)/1e6, len(r.found))
}

func newWatch() *watch {
	return &watch{known: map[string]bool{}, forms: map[prefix][]form{}, allowed: map[allowance]bool{}}
}

// plant puts a secret under watch and returns it. It fails the test if nothing of it could be recognised.
func (w *watch) plant(t testing.TB, name, value string) string {
	t.Helper()
	forms := canary{name, []byte(value)}.forms()
	if len(forms) == 0 {
		t.Fatalf("%s has %d bytes, too few to be recognised", name, len(value))
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.known[name] = true
	for _, f := range forms {
		w.forms[prefix(f.bytes)] = append(w.forms[prefix(f.bytes)], f)
	}
	return value
}

// choose plants a new secret.
func (w *watch) choose(t testing.TB, name string) string { return w.plant(t, name, newValue()) }

// look adds a place, which is read when everything has happened.
func (w *watch) look(p place) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.places = append(w.places, p)
}

// allow lets each value of a canary be in a place once, where it is handed out, or often.
func (w *watch) allow(place, canary string, often bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.allowed[allowance{place, canary}] = often
}

// contentOf reads a place.
func (w *watch) contentOf(name string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range w.places {
		if p.name == name {
			content, _ := p.read() // search tells of errors
			return string(content)
		}
	}
	return ""
}

// keep adds a place whose content is known already.
func (w *watch) keep(name string, content []byte, but ...string) {
	w.look(place{name: name, read: func() ([]byte, error) { return content, nil }, but: but})
}

// search looks everywhere.
func (w *watch) search() (r report, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var errs []error
	for _, p := range w.places {
		content, err := p.read()
		if err != nil {
			errs = append(errs, fmt.Errorf("reading %s: %w", p.name, err))
		}
		r.places++
		r.bytes += len(content)
		r.found = append(r.found, w.find(p, content)...)
	}
	slices.SortFunc(r.found, func(a, b finding) int {
		return cmp.Or(cmp.Compare(a.place, b.place), cmp.Compare(a.canary, b.canary), cmp.Compare(a.form, b.form))
	})
	r.found = slices.Compact(r.found)
	return r, errors.Join(errs...)
}

// find passes over the content once, however many forms there are.
func (w *watch) find(p place, content []byte) (found []finding) {
	handedOut := map[string]bool{}
	for i := 0; i+shortest <= len(content); i++ {
		for _, f := range w.forms[prefix(content[i:])] {
			if !bytes.HasPrefix(content[i:], f.bytes) || slices.Contains(p.but, f.canary) {
				continue
			}
			often, allowed := w.allowed[allowance{p.name, f.canary}]
			if allowed && (often || !handedOut[string(f.bytes)]) {
				handedOut[string(f.bytes)] = true
				continue
			}
			found = append(found, finding{p.name, f.canary, f.name})
		}
	}
	return found
}

// among tells places of one kind apart: the number of a run and what was run, and the name of a file in a folder.
var among = regexp.MustCompile(`^(run )\d+, (\S+) .*(: its )|^(the file [^/]+/).+|^(the arguments of postgres).+`)

// list prints each kind of place with how many there are and their size, and what was sought.
func (w *watch) list(out io.Writer) {
	w.mu.Lock()
	defer w.mu.Unlock()
	type kind struct{ places, bytes int }
	kinds := map[string]kind{}
	for _, p := range w.places {
		content, _ := p.read() // search has told of errors
		name := among.ReplaceAllString(p.name, "$1$2$3$4$5…")
		kinds[name] = kind{kinds[name].places + 1, kinds[name].bytes + len(content)}
	}
	for _, name := range slices.Sorted(maps.Keys(kinds)) {
		fmt.Fprintf(out, "%5d × %10d bytes  %s\n", kinds[name].places, kinds[name].bytes, name)
	}
	for _, name := range slices.Sorted(maps.Keys(w.known)) {
		fmt.Fprintf(out, "sought: %s\n", name)
	}
}
