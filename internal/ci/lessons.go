package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strconv"
)

// lessonsFile lists what has gone wrong elsewhere, with the tests that keep it from going wrong here.
const lessonsFile = "docs/lessons.md"

// lesson is an entry of the list.
type lesson struct {
	number int
	title  string
	tests  []testRef
	// notBuilt says what will bring the tests that are wanting.
	notBuilt []string
}

// testRef names a test function by its package's folder.
type testRef struct{ pkg, name string }

func (r testRef) String() string { return r.pkg + "." + r.name }

var (
	lessonLine   = regexp.MustCompile(`^(\d+)\. \*\*(.+?)\*\*`)
	bulletLine   = regexp.MustCompile(`^\s+- (.*)$`)
	testBullet   = regexp.MustCompile("^`([\\w./-]+)\\.((?:Test|Fuzz)\\w+)`")
	notYetBullet = regexp.MustCompile(`^not built yet: (\S.*)$`)
)

// readLessons reads the list. Its errors say which line to mend.
func readLessons(in io.Reader) ([]lesson, error) {
	var all []lesson
	var errs []error
	lines := bufio.NewScanner(in)
	for n := 1; lines.Scan(); n++ {
		text := lines.Text()
		if m := lessonLine.FindStringSubmatch(text); m != nil {
			number, err := strconv.Atoi(m[1])
			if err != nil || number != len(all)+1 {
				errs = append(errs, fmt.Errorf("%s:%d: the lesson has number %s, want %d", lessonsFile, n, m[1], len(all)+1))
			}
			all = append(all, lesson{number: number, title: m[2]})
			continue
		}
		bullet := bulletLine.FindStringSubmatch(text)
		if bullet == nil {
			continue
		}
		if len(all) == 0 || !all[len(all)-1].add(bullet[1]) {
			errs = append(errs, fmt.Errorf("%s:%d: want a test of a lesson as in `internal/engine.TestName`, or \"not built yet: MILESTONE\"", lessonsFile, n))
		}
	}
	if len(all) == 0 {
		errs = append(errs, fmt.Errorf("%s has no lessons", lessonsFile))
	}
	return all, errors.Join(append(errs, lines.Err())...)
}

// add takes what a bullet says and reports whether it says something.
func (l *lesson) add(bullet string) bool {
	if m := testBullet.FindStringSubmatch(bullet); m != nil {
		l.tests = append(l.tests, testRef{pkg: m[1], name: m[2]})
		return true
	}
	if m := notYetBullet.FindStringSubmatch(bullet); m != nil {
		l.notBuilt = append(l.notBuilt, m[1])
		return true
	}
	return false
}

// lessonsPhase counts each lesson that is held as passed.
func lessonsPhase() phase {
	return phase{name: "lessons", run: func(_ context.Context, out io.Writer) (counts, error) {
		held, err := lessons(out)
		return counts{passed: held}, err
	}}
}

// lessons prints each lesson with what holds it. A lesson that is held by nothing and is not marked as not built yet
// fails, and so does a test that is not there. It returns how many are held.
func lessons(out io.Writer) (held int, err error) {
	f, err := os.Open(lessonsFile)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	all, err := readLessons(f)
	errs := []error{err}
	there := map[string][]string{}
	for _, l := range all {
		fmt.Fprintf(out, "%2d. %s\n", l.number, l.title)
		if len(l.tests) > 0 {
			held++
		} else if len(l.notBuilt) == 0 {
			errs = append(errs, fmt.Errorf("lesson %d has no test; name one, or say \"not built yet: MILESTONE\"", l.number))
		}
		for _, test := range l.tests {
			fmt.Fprintf(out, "      %s\n", test)
			errs = append(errs, find(there, test))
		}
		for _, milestone := range l.notBuilt {
			fmt.Fprintf(out, "      not built yet: %s\n", milestone)
		}
	}
	fmt.Fprintf(out, "%d lessons, %d held by tests\n", len(all), held)
	return held, errors.Join(errs...)
}

// find looks for a test among those of its package, which are listed once.
func find(there map[string][]string, test testRef) error {
	if _, listed := there[test.pkg]; !listed {
		names, err := testsOf("./" + test.pkg)
		if err != nil {
			return err
		}
		there[test.pkg] = names
	}
	if !slices.Contains(there[test.pkg], test.name) {
		return fmt.Errorf("the test %s is not there", test)
	}
	return nil
}
