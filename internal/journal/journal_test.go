package journal_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/curfewhq/curfew/internal/journal"
)

func open(t testing.TB, path string) (*journal.Journal, []string) {
	t.Helper()
	j, err := journal.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	records, err := j.Records()
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, r := range records {
		list = append(list, string(r))
	}
	return j, list
}

// fill writes a journal of three records and returns its path.
func fill(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "removed.journal")
	j, records := open(t, path)
	if len(records) != 0 {
		t.Errorf("a new journal has %q", records)
	}
	for _, r := range []string{"one", "", "three and a half"} {
		if err := j.Append([]byte(r)); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestWhatWasAppendedIsThere(t *testing.T) {
	path := fill(t)
	j, records := open(t, path)
	if diff := cmp.Diff([]string{"one", "", "three and a half"}, records); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file is %v (%v)", info.Mode(), err)
	}
	if err := j.Clear(); err != nil {
		t.Fatal(err)
	}
	if err := j.Append([]byte("four")); err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if _, records := open(t, path); len(records) != 1 || records[0] != "four" {
		t.Errorf("after Clear there are %q", records)
	}
}

// A crash may leave any beginning of the file: whole records stay, what is torn is cut off, and what is appended then
// follows what stayed.
func TestTornRecords(t *testing.T) {
	whole, err := os.ReadFile(fill(t))
	if err != nil {
		t.Fatal(err)
	}
	written := []string{"one", "", "three and a half"}
	for cut := range len(whole) + 1 {
		path := filepath.Join(t.TempDir(), "torn.journal")
		if err := os.WriteFile(path, whole[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		j, records := open(t, path)
		if diff := cmp.Diff(written[:len(records)], records, cmp.Transformer("list", func(l []string) []string { return append([]string{}, l...) })); diff != "" {
			t.Fatalf("cut at %d (-want +got):\n%s", cut, diff)
		}
		if err := j.Append([]byte("after")); err != nil {
			t.Fatal(err)
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		if _, again := open(t, path); len(again) != len(records)+1 || again[len(records)] != "after" {
			t.Fatalf("cut at %d, and then appended to: %q", cut, again)
		}
	}
}

// A byte that has changed on the disk ends the journal there; it never makes another record.
func TestDamage(t *testing.T) {
	whole, err := os.ReadFile(fill(t))
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(r *rapid.T) {
		damaged := append([]byte{}, whole...)
		at := rapid.IntRange(0, len(whole)-1).Draw(r, "at")
		damaged[at] ^= byte(rapid.IntRange(1, 255).Draw(r, "with"))
		path := filepath.Join(t.TempDir(), "damaged.journal")
		if err := os.WriteFile(path, damaged, 0o600); err != nil {
			r.Fatal(err)
		}
		j, records := open(t, path)
		_ = j.Close()
		for i, got := range records {
			if want := []string{"one", "", "three and a half"}[i]; got != want {
				r.Fatalf("byte %d changed, and record %d is %q, want %q", at, i, got, want)
			}
		}
	})
}

func TestOneHolder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j")
	first, _ := open(t, path)
	if _, err := journal.Open(path); !errors.Is(err, journal.ErrHeld) {
		t.Errorf("a second holder is told %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	second, _ := open(t, path)
	if err := second.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestRecordsAreBounded(t *testing.T) {
	j, _ := open(t, filepath.Join(t.TempDir(), "j"))
	defer j.Close()
	if err := j.Append(make([]byte, journal.MaxRecord+1)); err == nil {
		t.Error("a record that is too long is taken")
	}
	if err := j.Append([]byte("two\nlines")); err == nil {
		t.Error("a record of two lines is taken")
	}
}
