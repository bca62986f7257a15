package ldap

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/curfewhq/curfew/internal/access"
)

// graph says of each group which groups it is in. Those in hidden have a name that can be read, and nothing else; those in
// unnamed stand in no memberOf.
type graph struct {
	in      map[string][]string
	hidden  []string
	unnamed bool
	// most is how many groups one search finds; zero is no bound.
	most  int
	reads int
}

func (g *graph) group(name string) nested {
	n := nested{dn: "cn=" + name}
	if !g.unnamed {
		for _, above := range g.in[name] {
			n.memberOf = append(n.memberOf, "CN="+above)
		}
	}
	return n
}

func (g *graph) containing(dns []string) (groups []nested, all bool, err error) {
	g.reads++
	for _, dn := range dns {
		for _, above := range g.in[strings.TrimPrefix(strings.ToLower(dn), "cn=")] {
			if slices.Contains(g.hidden, above) {
				continue
			}
			if g.most > 0 && len(groups) == g.most {
				return groups, false, nil
			}
			groups = append(groups, g.group(above))
		}
	}
	return groups, true, nil
}

func (g *graph) look(dn string) (nested, bool, error) {
	g.reads++
	name := strings.TrimPrefix(strings.ToLower(dn), "cn=")
	return g.group(name), !slices.Contains(g.hidden, name), nil
}

// chain is n groups, each in the next.
func chain(n int) map[string][]string {
	in := map[string][]string{}
	for i := range n {
		in[fmt.Sprintf("g%02d", i)] = []string{fmt.Sprintf("g%02d", i+1)}
	}
	return in
}

// wide is one group in n others.
func wide(n int, format string) map[string][]string {
	var above []string
	for i := range n {
		above = append(above, fmt.Sprintf(format, i))
	}
	return map[string][]string{"g00": above}
}

func TestAscend(t *testing.T) {
	const unseen, more, deeper = "sees the name only", "more groups than are shown", "Only 16 levels"
	for _, c := range []struct {
		name string
		graph
		from       []string
		rights     int
		incomplete string
	}{
		{"alone", graph{}, []string{"g00"}, 0, ""},
		{"itself", graph{in: map[string][]string{"g00": {"g00"}}}, []string{"g00"}, 0, ""},
		{"a cycle of two", graph{in: map[string][]string{"g00": {"a"}, "a": {"g00"}}}, []string{"g00"}, 1, ""},
		{"a cycle above", graph{in: map[string][]string{"g00": {"a"}, "a": {"b"}, "b": {"c"}, "c": {"a"}}}, []string{"g00"}, 3, ""},
		{"two ways to one", graph{in: map[string][]string{"g00": {"a", "b"}, "a": {"c"}, "b": {"c"}}}, []string{"g00"}, 3, ""},
		{"groups of one permission", graph{in: map[string][]string{"g00": {"g01", "a"}, "g01": {"a"}}}, []string{"g00", "g01"}, 1, ""},
		{"found by search alone", graph{in: map[string][]string{"g00": {"a"}, "a": {"b"}}, unnamed: true}, []string{"g00"}, 2, ""},
		{"hidden", graph{in: map[string][]string{"g00": {"a", "s"}, "s": {"x"}}, hidden: []string{"s"}}, []string{"g00"}, 2, unseen},
		{"as deep as is shown", graph{in: chain(maxNesting - 1)}, []string{"g00"}, maxNesting - 1, ""},
		{"deeper", graph{in: chain(40)}, []string{"g00"}, maxNesting, deeper},
		{"as many as are shown", graph{in: wide(access.MaxImplied, "w%d")}, []string{"g00"}, access.MaxImplied, ""},
		{"more", graph{in: wide(access.MaxImplied+1, "w%d")}, []string{"g00"}, access.MaxImplied, more},
		{"more than the server finds", graph{in: wide(10, "w%d"), most: 4, unnamed: true}, []string{"g00"}, 4, more},
		{"long names", graph{in: wide(200, strings.Repeat("x", 300)+"%d")}, []string{"g00"}, 105, more},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := climb(t, &c.graph, c.from...)
			if len(got.Rights) != c.rights || !strings.Contains(got.Incomplete, c.incomplete) || (got.Incomplete == "") != (c.incomplete == "") {
				t.Errorf("%d rights, %q; want %d, %q", len(got.Rights), got.Incomplete, c.rights, c.incomplete)
			}
		})
	}
}

func climb(t *testing.T, g *graph, from ...string) access.Implied {
	t.Helper()
	level := make([]nested, len(from))
	for i, name := range from {
		level[i] = g.group(name)
	}
	got, err := ascend(g, level)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestAscendTellsOfErrors(t *testing.T) {
	want := errors.New("the server is gone")
	if _, err := ascend(gone{want}, []nested{{dn: "cn=a"}}); !errors.Is(err, want) {
		t.Errorf("of a search: %v", err)
	}
}

type gone struct{ err error }

func (g gone) containing([]string) ([]nested, bool, error) { return nil, false, g.err }
func (g gone) look(string) (nested, bool, error)           { return nested{}, false, g.err }

// FuzzAscend climbs in any graph of 256 groups, of which two bytes each are an edge: it ends, within its bounds, and finds
// what a plain search for everything above finds.
func FuzzAscend(f *testing.F) {
	f.Add([]byte{}, false)
	f.Add([]byte{0, 0}, false)
	f.Add([]byte{0, 1, 1, 0}, true)
	f.Add([]byte{0, 1, 1, 2, 2, 3, 3, 1}, false)
	f.Add([]byte{0, 1, 0, 2, 1, 3, 2, 3, 3, 0}, true)
	long := []byte{}
	for i := range byte(40) {
		long = append(long, i, i+1)
	}
	f.Add(long, true)
	f.Fuzz(func(t *testing.T, edges []byte, unnamed bool) {
		g := &graph{in: map[string][]string{}, unnamed: unnamed}
		for edge := range slices.Chunk(edges, 2) {
			if len(edge) == 2 {
				from := fmt.Sprint("g", edge[0])
				g.in[from] = append(g.in[from], fmt.Sprint("g", edge[1]))
			}
		}
		got := climb(t, g, "g0")
		want, deeper := g.above("g0")
		if !equalFold(got.Rights, want) {
			t.Errorf("it finds %v, want %v", got.Rights, want)
		}
		if (got.Incomplete != "") != deeper {
			t.Errorf("deeper: %t, but %q", deeper, got.Incomplete)
		}
		if !got.Bounded() || g.reads > 2*len(want)+maxNesting {
			t.Errorf("%d rights by %d reads", len(got.Rights), g.reads)
		}
	})
}

func equalFold(a, b []string) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	for i := range a {
		a[i] = strings.ToLower(a[i])
	}
	slices.Sort(a)
	return slices.Equal(a, b)
}

// above is what is within maxNesting steps of a group, level by level, and whether the last level was not empty.
func (g *graph) above(from string) (names []string, deeper bool) {
	steps := map[string]int{from: 0}
	for step := range maxNesting {
		for name, at := range steps {
			if at != step {
				continue
			}
			for _, above := range g.in[name] {
				if _, known := steps[above]; !known {
					steps[above] = step + 1
				}
			}
		}
	}
	for name, at := range steps {
		deeper = deeper || at == maxNesting
		if at > 0 {
			names = append(names, "cn="+name)
		}
	}
	slices.Sort(names)
	return names, deeper
}
