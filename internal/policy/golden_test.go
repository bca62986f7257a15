package policy_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/policy"
)

var update = flag.Bool("update", false, "write what is decided into the golden files")

// TestDecide plays testdata/decide/*.txtar; README.md in that folder says how they are read.
func TestDecide(t *testing.T) {
	files, err := filepath.Glob("testdata/decide/*.txtar")
	if err != nil || len(files) < 45 {
		t.Fatalf("%d golden files, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) { playGolden(t, file) })
	}
}

func playGolden(t *testing.T, file string) {
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var policies []policy.Policy
	in := usualInput()
	wantAt := -1
	for i, f := range archive.Files {
		switch f.Name {
		case "policies.json":
			readJSON(t, f.Data, &policies)
		case "input.json":
			readJSON(t, f.Data, &in)
		case "want", "want-explained":
			wantAt = i
		default:
			t.Fatalf("file %s is not known", f.Name)
		}
	}
	if wantAt < 0 {
		t.Fatal("no file want")
	}
	set, err := policy.Compile(policies)
	if err != nil {
		t.Fatal(err)
	}
	decide := set.Decide
	if archive.Files[wantAt].Name == "want-explained" {
		decide = set.Explain
	}
	decision := decide(in)
	got := show(t, set, decision)
	if *update {
		archive.Files[wantAt].Data = []byte(got)
		if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(string(archive.Files[wantAt].Data), got); diff != "" {
		t.Errorf("%s\n%s", archive.Comment, diff)
	}
	replay(t, set, in, decision, archive.Files[wantAt].Name == "want-explained")
}

// replay decides again from what would be stored, the input as JSON and the set as its source.
func replay(t *testing.T, set *policy.Set, in policy.Input, want policy.Decision, explain bool) {
	t.Helper()
	loaded, err := policy.Load(set.Source())
	if err != nil {
		t.Fatal(err)
	}
	if loaded.Digest() != set.Digest() {
		t.Errorf("the digest is %s after loading and was %s", loaded.Digest(), set.Digest())
	}
	decide := loaded.Decide
	if explain {
		decide = loaded.Explain
	}
	got := decide(roundTrip(t, in))
	if diff := cmp.Diff(roundTrip(t, want), roundTrip(t, got)); diff != "" {
		t.Errorf("decided otherwise when replayed:\n%s", diff)
	}
}

func roundTrip[T any](t interface {
	Helper()
	Fatal(...any)
}, v T) T {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var out T
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// usualInput is what input.json of a golden file is read over.
func usualInput() policy.Input {
	return policy.Input{
		Now:       time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC),
		Principal: alice(),
		Targets:   []policy.Target{{Entitlement: access.Entitlement{Connector: "orders-db", Resource: "orders", Permission: "read"}}},
		Duration:  time.Hour,
		Reviewers: map[string][]policy.Reviewer{
			"group:static/leads":    {human("bob"), human("carol")},
			"group:static/security": {human("carol"), human("dave")},
		},
	}
}

func alice() access.Principal {
	return access.Principal{
		ID: staticID("alice"), Kind: access.Human, Person: "alice", Name: "Alice",
		Groups: []string{"static/payments"}, Attributes: map[string]string{"site": "berlin"},
	}
}

func staticID(subject string) access.PrincipalID {
	return access.PrincipalID{Issuer: access.StaticIssuer, Subject: subject}
}

func human(subject string) policy.Reviewer {
	return policy.Reviewer{ID: staticID(subject), Kind: access.Human, Person: access.PersonID(subject)}
}

// readJSON reads JSON in which durations are written "4h".
func readJSON(t *testing.T, text []byte, into any) {
	t.Helper()
	var tree any
	if err := json.Unmarshal(text, &tree); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(nanoseconds(t, tree))
	if err != nil {
		t.Fatal(err)
	}
	decoder := json.NewDecoder(strings.NewReader(string(text)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		t.Fatal(err)
	}
}

func nanoseconds(t *testing.T, tree any) any {
	t.Helper()
	switch v := tree.(type) {
	case []any:
		for i := range v {
			v[i] = nanoseconds(t, v[i])
		}
	case map[string]any:
		for key, value := range v {
			text, isText := value.(string)
			if isText && slices.Contains([]string{"duration", "max_duration", "within", "report_within"}, key) {
				d, err := time.ParseDuration(text)
				if err != nil {
					t.Fatal(err)
				}
				v[key] = int64(d)
				continue
			}
			v[key] = nanoseconds(t, value)
		}
	}
	return tree
}

// show writes every field of a decision, with policies' names in place of their digests.
func show(t *testing.T, set *policy.Set, d policy.Decision) string {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n", d.Verdict, d.Why)
	for _, s := range d.Stages {
		how := ""
		if s.MFA {
			how = " with a passkey"
		}
		fmt.Fprintf(&b, "stage %d of %s: %d of %s within %s%s\n", s.Index, s.Policy, s.Count, strings.Join(s.From, " "), s.Within, how)
		if f := s.Fallback; f != nil {
			fmt.Fprintf(&b, "  then also %s within %s\n", strings.Join(f.From, " "), f.Within)
		}
	}
	if len(d.Missing) > 0 {
		fmt.Fprintf(&b, "missing: %s\n", strings.Join(d.Missing, " "))
	}
	if len(d.Digests) > 0 {
		fmt.Fprintf(&b, "binds: %s\n", strings.Join(digestNames(t, set, d.Digests), " "))
	}
	for _, target := range d.Targets {
		showTarget(&b, target)
	}
	return b.String()
}

func showTarget(b *strings.Builder, t policy.TargetDecision) {
	fmt.Fprintf(b, "\n%s is %s", t.Entitlement, t.Verdict)
	if t.Policy != "" {
		fmt.Fprintf(b, " by %s", t.Policy)
	}
	if len(t.Guards) > 0 {
		fmt.Fprintf(b, " guarded by %s", strings.Join(t.Guards, " "))
	}
	if t.Duration != 0 {
		fmt.Fprintf(b, " for %s", t.Duration)
	}
	if t.MaxDuration != 0 {
		fmt.Fprintf(b, " of at most %s", t.MaxDuration)
	}
	if !t.Until.IsZero() {
		fmt.Fprintf(b, " until %s", t.Until.Format(time.RFC3339Nano))
	}
	fmt.Fprintf(b, "\n  %s\n", t.Why)
	for _, c := range t.Trace {
		fmt.Fprintln(b, strings.TrimRight(fmt.Sprintf("  %s %s: %s: %s", c.Effect, c.Policy, c.Result, c.Detail), ": "))
	}
	for _, c := range t.HumanTrace {
		fmt.Fprintln(b, strings.TrimRight(fmt.Sprintf("  for the human %s %s: %s: %s", c.Effect, c.Policy, c.Result, c.Detail), ": "))
	}
}

func digestNames(t *testing.T, set *policy.Set, digests []string) []string {
	t.Helper()
	byDigest := map[string]string{}
	for name, digest := range set.Digests() {
		byDigest[digest] = name
	}
	var out []string
	for _, d := range digests {
		if byDigest[d] == "" {
			t.Fatalf("digest %s is no policy's", d)
		}
		out = append(out, byDigest[d])
	}
	slices.Sort(out)
	return out
}
