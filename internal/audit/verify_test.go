package audit_test

import (
	"crypto/rand"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"

	"github.com/curfewhq/curfew/internal/audit"
)

// checkpointOf is a checkpoint of the first n leaves.
func checkpointOf(n int64) audit.Checkpoint {
	var r audit.Range
	for i := range n {
		r.Add(audit.HashLeaf(leafNumber(i + 1)))
	}
	return audit.Checkpoint{Origin: "curfew/i/d", Tree: r.Tree()}
}

// history is a log as its keeper has it: leaves, and the hashes kept beside them.
type history struct {
	leaves [][]byte
	kept   []tlog.Hash
}

func historyOf(n int64) (h history) {
	for i := range n {
		h.leaves = append(h.leaves, leafNumber(i+1))
		h.kept = append(h.kept, audit.HashLeaf(leafNumber(i+1)))
	}
	return h
}

func (h history) verify(checkpoints ...audit.Checkpoint) ([]audit.Problem, int) {
	v := audit.NewVerifier(checkpoints...)
	for i := range h.leaves {
		v.Add(h.leaves[i], h.kept[i])
	}
	return v.Done()
}

// places are the first positions of problems, and how far each goes.
func places(problems []audit.Problem) (list [][2]int64) {
	for _, p := range problems {
		list = append(list, [2]int64{p.From, p.To})
	}
	return list
}

func TestVerifierAgrees(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64Range(0, 300).Draw(t, "entries")
		var kept []audit.Checkpoint
		for _, size := range rapid.SliceOfN(rapid.Int64Range(0, n), 0, 5).Draw(t, "sizes") {
			kept = append(kept, checkpointOf(size))
		}
		if problems, _ := historyOf(n).verify(kept...); len(problems) > 0 {
			t.Errorf("%+v", problems)
		}
	})
}

// TestVerifierNamesTheEntry changes one byte of one entry.
func TestVerifierNamesTheEntry(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64Range(1, 300).Draw(t, "entries")
		changed := rapid.Int64Range(1, n).Draw(t, "changed")
		size := rapid.Int64Range(changed, n).Draw(t, "size")
		h := historyOf(n)
		h.leaves[changed-1][rapid.IntRange(0, len(h.leaves[changed-1])-1).Draw(t, "byte")] ^= 1
		problems, _ := h.verify(checkpointOf(size))
		if diff := cmp.Diff([][2]int64{{changed, changed}}, places(problems)); diff != "" {
			t.Errorf("of %d entries number %d was changed:\n%s", n, changed, diff)
		}
	})
}

// Who changes an entry and the hash that is kept for it is found by the checkpoint; where between two of them, it tells.
func TestVerifierWithoutHashesToCompare(t *testing.T) {
	h := historyOf(20)
	h.leaves[12] = []byte("{}")
	h.kept[12] = audit.HashLeaf(h.leaves[12])
	problems, _ := h.verify(checkpointOf(20), checkpointOf(10))
	if diff := cmp.Diff([][2]int64{{11, 20}}, places(problems)); diff != "" {
		t.Error(diff)
	}
}

func TestVerifierMissesTheEnd(t *testing.T) {
	problems, _ := historyOf(7).verify(checkpointOf(3), checkpointOf(9))
	if diff := cmp.Diff([][2]int64{{8, 9}}, places(problems)); diff != "" || !strings.Contains(problems[0].What, "missing") {
		t.Errorf("%+v\n%s", problems, diff)
	}
}

// What no checkpoint has yet is held against the hashes that are kept.
func TestVerifierBeyondTheLastCheckpoint(t *testing.T) {
	h := historyOf(7)
	h.leaves[5] = []byte("{}")
	problems, _ := h.verify(checkpointOf(3))
	if diff := cmp.Diff([][2]int64{{6, 6}}, places(problems)); diff != "" {
		t.Error(diff)
	}
}

func TestVerifierBoundsProblems(t *testing.T) {
	h := historyOf(3 * audit.MaxProblems)
	v := audit.NewVerifier()
	for i := range h.leaves {
		v.Add(h.leaves[i], h.kept[i])
		v.Report(audit.Problem{From: int64(i + 1), To: int64(i + 1), What: "wrong"})
	}
	if problems, dropped := v.Done(); len(problems) != audit.MaxProblems || dropped != 2*audit.MaxProblems {
		t.Errorf("%d problems, and %d more", len(problems), dropped)
	}
}

func TestCheckEntry(t *testing.T) {
	e, err := audit.NewEntry(example(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if _, erased, err := audit.CheckEntry(e.Leaf, e.Personal); len(erased) > 0 || err != nil {
		t.Errorf("%v, %v", erased, err)
	}
	if _, erased, err := audit.CheckEntry(e.Leaf, e.Personal[:1]); err != nil || cmp.Diff([]string{"reason", "subject"}, erased) != "" {
		t.Errorf("with two values erased: %v, %v", erased, err)
	}
	leaf := string(e.Leaf)
	for name, changed := range map[string]string{
		"a space":          strings.Replace(leaf, ":", ": ", 1),
		"another order":    strings.Replace(leaf, `"v":1}`, "", 1)[:len(leaf)-7] + `,"a":1}`,
		"an unknown field": strings.Replace(leaf, `"v":1`, `"v":1,"w":2`, 1),
		"no JSON":          "leaf",
	} {
		if _, _, err := audit.CheckEntry([]byte(changed), e.Personal); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	if _, _, err := audit.CheckEntry(e.Leaf, append(e.Personal, e.Personal[0])); err == nil {
		t.Error("a value that is there twice is taken")
	}
	e.Personal[0].Value = "static/bob"
	if _, _, err := audit.CheckEntry(e.Leaf, e.Personal); err == nil {
		t.Error("another actor is taken")
	}
}
