// Package nearmiss finds the word that somebody probably meant.
//
// It owns the measure and its limits. It does not own the sentences in which a near miss is offered.
package nearmiss

import (
	"iter"
	"unicode/utf8"
)

// maxWord is the length in bytes above which no near miss is looked for.
const maxWord = 512

// Find returns the candidate that is nearest to word by Levenshtein distance (V. I. Levenshtein, 1966) over characters,
// and the first of several that are equally near. It returns "" when none is near enough: a third of the word's
// characters, rounded up, may be wrong, and at most three. It never returns word itself. The cost is linear in the
// total length of the candidates.
func Find(word string, candidates iter.Seq[string]) string {
	if len(word) > maxWord {
		return ""
	}
	w := []rune(word)
	limit := min(max((len(w)+2)/3, 1), 3)
	m := meter{word: w}
	best := ""
	for c := range candidates {
		if c == word || c == "" || len(c) > maxWord {
			continue
		}
		if d := utf8.RuneCountInString(c) - len(w); d > limit || -d > limit {
			continue
		}
		if m.within(c, limit) {
			best, limit = c, m.distance-1
		}
		if limit == 0 {
			break
		}
	}
	return best
}

// meter measures distances from one word, without allocating for each.
type meter struct {
	word      []rune
	candidate []rune
	row       []int
	distance  int
}

// within reports whether the distance to c is at most limit, and keeps it. It computes only the band of the matrix that
// can still be within the limit.
func (m *meter) within(c string, limit int) bool {
	m.candidate = m.candidate[:0]
	for _, r := range c {
		m.candidate = append(m.candidate, r)
	}
	// Names in one catalogue often share a long beginning, which costs nothing once it is cut off.
	word, candidate := trimCommon(m.word, m.candidate)
	far := limit + 1
	m.row = m.row[:0]
	for j := range len(candidate) + 1 {
		m.row = append(m.row, min(j, far))
	}
	for i, r := range word {
		from, to := max(1, i+1-limit), min(len(candidate), i+1+limit)
		// diagonal is the cell up and to the left; left of the band everything is too far.
		diagonal := m.row[from-1]
		m.row[from-1] = far
		if from == 1 {
			m.row[0] = min(i+1, far)
		}
		nearest := m.row[from-1]
		for j := from; j <= to; j++ {
			up := m.row[j]
			if j == i+1+limit {
				up = far
			}
			cost := diagonal
			if candidate[j-1] != r {
				cost = min(diagonal, up, m.row[j-1]) + 1
			}
			diagonal = m.row[j]
			m.row[j] = min(cost, far)
			nearest = min(nearest, m.row[j])
		}
		if nearest > limit {
			return false
		}
	}
	m.distance = m.row[len(candidate)]
	return m.distance <= limit
}

// trimCommon cuts off what both begin with.
func trimCommon(a, b []rune) (restA, restB []rune) {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return a[n:], b[n:]
}
