package engine_test

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/audit"
	"github.com/curfewhq/curfew/internal/engine"
	. "github.com/curfewhq/curfew/internal/enginetest"
)

// export writes an export as the API does.
func export(t *testing.T, w *World, q engine.ExportQuery) []byte {
	t.Helper()
	x, err := w.Engine.Export(t.Context(), w.Who(Olga), q)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	out := audit.NewExportEncoder(&b)
	encode := func(v any) {
		if err := out.Encode(v); err != nil {
			t.Fatal(err)
		}
	}
	encode(x.Header)
	var n int64
	for more := true; more; {
		var entries []audit.ExportEntry
		if entries, more, err = x.Next(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			encode(e)
			n++
		}
	}
	encode(audit.ExportEnd{End: true, Entries: n})
	return b.Bytes()
}

// exported is a log with a few lives in it, and the moment in its middle.
func exported(t *testing.T, w *World) (middle time.Time) {
	t.Helper()
	ask(t, w, Alice, Read, time.Minute)
	time.Sleep(time.Hour)
	middle = time.Now()
	ask(t, w, Alice, Write, time.Hour)
	time.Sleep(time.Second)
	return middle
}

func verified(t *testing.T, w *World, text []byte, kept ...audit.Checkpoint) audit.ExportReport {
	t.Helper()
	key, err := w.Engine.LogKey()
	if err != nil {
		t.Fatal(err)
	}
	r, err := audit.VerifyExport(bytes.NewReader(text), []string{key}, kept, nil)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return r
}

func TestExportProvesItself(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		middle := exported(t, w)
		numbered, _ := logged(t, w)
		all := int64(numbered)
		for name, q := range map[string]engine.ExportQuery{
			"everything":         {},
			"from the middle":    {From: 4},
			"to the middle":      {To: 4},
			"one":                {From: 3, To: 3},
			"the last":           {From: all},
			"since a moment":     {Since: middle},
			"until a moment":     {Until: middle},
			"of one kind":        {Kind: access.EventGrantActive},
			"of a kind and late": {Kind: access.EventRequestSubmitted, Since: middle},
			"of no kind":         {Kind: "nothing.ever"},
		} {
			text := export(t, w, q)
			r := verified(t, w, text)
			if len(r.Problems) > 0 {
				t.Errorf("%s: %+v", name, r.Problems)
			}
			want := map[string]int64{"everything": all, "to the middle": 4, "one": 1, "the last": 1, "of one kind": 1, "of a kind and late": 1, "of no kind": 0}
			if n, counted := want[name]; counted && n != r.Entries {
				t.Errorf("%s: %d entries, not %d", name, r.Entries, n)
			}
		}
		since, until := verified(t, w, export(t, w, engine.ExportQuery{Since: middle})), verified(t, w, export(t, w, engine.ExportQuery{Until: middle}))
		if since.Entries == 0 || until.Entries == 0 || since.Entries+until.Entries != all || since.From != until.To+1 {
			t.Errorf("%d and %d entries of %d, before and behind a moment", until.Entries, since.Entries, all)
		}
	})
}

// An export has what was logged before it was asked for, though the sequencer has not come to it yet.
func TestExportWaitsForTheSequencer(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		for range 20 {
			r, err := w.Engine.Submit(t.Context(), w.Who(Alice), engine.Submission{
				Entitlements: []access.Entitlement{Entitlement(Write)}, Duration: time.Hour, Reason: "order 17",
			})
			if err != nil {
				t.Fatal(err)
			}
			if text := export(t, w, engine.ExportQuery{}); !bytes.Contains(text, []byte(r.ID)) {
				t.Fatal("the export does not have the request that was just made")
			}
		}
	})
}

// TestExportShowsEveryChangedByte changes each byte of the last entry of an export by one bit, and some of the others.
func TestExportShowsEveryChangedByte(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		exported(t, w)
		key, err := w.Engine.LogKey()
		if err != nil {
			t.Fatal(err)
		}
		for _, q := range []engine.ExportQuery{{}, {Kind: access.EventGrantActive}, {From: 3, To: 5}} {
			text := export(t, w, q)
			lines := bytes.SplitAfter(text, []byte("\n"))
			begin := len(lines[0])
			for number, line := range lines[1:] {
				if bytes.HasPrefix(line, []byte(`{"end"`)) {
					break
				}
				step := 29
				if number == len(lines)-4 { // behind it come the end and nothing
					step = 1
				}
				for i := 0; i < len(line)-1; i += step {
					changed := bytes.Clone(text)
					changed[begin+i] ^= 1
					r, err := audit.VerifyExport(bytes.NewReader(changed), []string{key}, nil, nil)
					if err == nil && len(r.Problems) == 0 {
						t.Fatalf("%+v: byte %d of line %d may be %q: %s", q, i, number+2, changed[begin+i], line)
					}
				}
				begin += len(line)
			}
		}
	})
}

// TestExportNamesTheChangedEntry changes what an entry says, and nothing else.
func TestExportNamesTheChangedEntry(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		exported(t, w)
		lines := bytes.SplitAfter(export(t, w, engine.ExportQuery{}), []byte("\n"))
		lines[4] = bytes.Replace(lines[4], []byte(`"kind":"grant.`), []byte(`"kind":"Grant.`), 1)
		r := verified(t, w, bytes.Join(lines, nil))
		if len(r.Problems) != 1 || r.Problems[0].From != 4 || r.Problems[0].To != 4 {
			t.Errorf("%+v", r.Problems)
		}
	})
}

// TestExportSaysNothingThatIsNotProven has a presenter put more into an export than its proof is of: another key, which the
// reader would take for the log's from then on, or words that another reader of JSON reads otherwise.
func TestExportSaysNothingThatIsNotProven(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		exported(t, w)
		key, err := w.Engine.LogKey()
		if err != nil {
			t.Fatal(err)
		}
		foreign, err := audit.VerifierKey(w.Engine.LogOrigin(), ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)).Public().(ed25519.PublicKey))
		if err != nil {
			t.Fatal(err)
		}
		text := string(export(t, w, engine.ExportQuery{}))
		proof := `["` + strings.Repeat("A", 43) + `="]`
		for what, forged := range map[string]string{
			"another key":                    strings.Replace(text, key, foreign, 1),
			"no key":                         strings.Replace(text, `"key":"`+key+`"`, `"key":""`, 1),
			"a name of the log before it":    strings.Replace(text, `{"curfew_export"`, `{"origin":"curfew/mine/default","curfew_export"`, 1),
			"a member in capitals":           strings.Replace(text, `"from":`, `"From":7,"from":`, 1),
			"spaces":                         strings.Replace(text, `"from":`, `"from": `, 1),
			"a proof of no range":            strings.Replace(text, "}\n", `,"consistency":`+proof+"}\n", 1),
			"peaks before the first entry":   strings.Replace(text, "}\n", `,"peaks":`+proof+"}\n", 1),
			"a proof of an entry in a range": strings.Replace(text, "}\n"+`{"position":2`, `,"proof":`+proof+"}\n"+`{"position":2`, 1),
			"an entry in the last line":      strings.Replace(text, `{"end":`, `{"position":9,"end":`, 1),
		} {
			if forged == text {
				t.Fatalf("%s: nothing was changed", what)
			}
			r, err := audit.VerifyExport(strings.NewReader(forged), []string{key}, nil, nil)
			if err == nil && len(r.Problems) == 0 {
				t.Errorf("%s is taken", what)
			}
		}
	})
}

func TestExportThatIsNotWhole(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		exported(t, w)
		key, err := w.Engine.LogKey()
		if err != nil {
			t.Fatal(err)
		}
		lines := bytes.SplitAfter(export(t, w, engine.ExportQuery{}), []byte("\n"))
		for name, text := range map[string][]byte{
			"cut off":            bytes.Join(lines[:len(lines)-2], nil),
			"an entry taken out": bytes.Join(append(append([][]byte{}, lines[:3]...), lines[4:]...), nil),
			"an entry twice":     bytes.Join(append(append([][]byte{}, lines[:3]...), lines[2:]...), nil),
			"something behind":   append(bytes.Join(lines, nil), "{}\n"...),
			"nothing":            nil,
			"not an export":      []byte("{}\n"),
			"a line of garbage":  append(bytes.Clone(lines[0]), "garbage\n"...),
		} {
			r, err := audit.VerifyExport(bytes.NewReader(text), []string{key}, nil, nil)
			if err == nil && len(r.Problems) == 0 {
				t.Errorf("%s is taken", name)
			}
		}
	})
}

func TestExportAgainstCheckpointsThatWereKept(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		ask(t, w, Alice, Read, time.Minute)
		time.Sleep(time.Second)
		kept := integrated(t, w)
		ask(t, w, Alice, Write, time.Hour)
		time.Sleep(time.Second)
		text := export(t, w, engine.ExportQuery{})
		if r := verified(t, w, text, kept); len(r.Problems)+len(r.Unchecked) > 0 {
			t.Errorf("%+v", r)
		}
		another := kept
		another.Tree.Hash[3] ^= 1
		if r := verified(t, w, text, another); len(r.Problems) == 0 {
			t.Error("the checkpoint of another log fits")
		}
		if r := verified(t, w, export(t, w, engine.ExportQuery{From: kept.Tree.N + 1}), kept); len(r.Unchecked) != 1 {
			t.Errorf("a checkpoint from before the export: %+v", r)
		}
		foreign := kept
		foreign.Origin = "curfew/another/default"
		key, err := w.Engine.LogKey()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := audit.VerifyExport(bytes.NewReader(text), []string{key}, []audit.Checkpoint{foreign}, nil); err == nil || !strings.Contains(err.Error(), "another") {
			t.Errorf("a checkpoint of another log: %v", err)
		}
	})
}

func TestExportIsForThoseWhoSeeEverything(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		if _, err := w.Engine.Export(t.Context(), w.Who(Olga), engine.ExportQuery{}); access.KindOf(err) != access.KindNotFound {
			t.Errorf("of an empty log: %v", err)
		}
		exported(t, w)
		if _, err := w.Engine.Export(t.Context(), w.Who(Alice), engine.ExportQuery{}); access.KindOf(err) != access.KindDenied {
			t.Errorf("by Alice: %v", err)
		}
		if _, err := w.Engine.Export(t.Context(), w.Who(Olga), engine.ExportQuery{From: 5, To: 2}); access.KindOf(err) != access.KindInvalid {
			t.Errorf("from behind to before: %v", err)
		}
	})
}

// An export ends at the callers' errors.
func TestExportStopsWithItsReader(t *testing.T) {
	bubble(t, func(t *testing.T, w *World) {
		exported(t, w)
		stop := errors.New("enough")
		_, err := audit.VerifyExport(bytes.NewReader(export(t, w, engine.ExportQuery{})), nil, nil, func(audit.Record) error { return stop })
		if !errors.Is(err, stop) {
			t.Errorf("%v", err)
		}
	})
}
