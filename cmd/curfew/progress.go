package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/term"
)

// progress says what is being waited for: on a terminal in one line that counts the time, elsewhere in a line for each
// change.
type progress struct {
	out io.Writer
	// quit is nil when there is no terminal.
	quit chan struct{}
	done sync.WaitGroup

	mu   sync.Mutex
	text string
}

// clearLine goes to the beginning of the line and erases it (ECMA-48, CR and EL).
const clearLine = "\r\x1b[K"

func (p *program) newProgress() *progress {
	show := &progress{out: p.stderr}
	if f, ok := p.stderr.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		show.quit = make(chan struct{})
		show.done.Go(show.animate)
	}
	return show
}

// set replaces the text.
func (s *progress) set(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if text != s.text && s.quit == nil {
		fmt.Fprintln(s.out, display(text))
	}
	s.text = text
}

// stop ends the line and leaves nothing of it.
func (s *progress) stop() {
	if s.quit == nil {
		return
	}
	close(s.quit)
	s.done.Wait()
	fmt.Fprint(s.out, clearLine)
}

func (s *progress) animate() {
	const width = 70 // a line that breaks cannot be erased
	begun := time.Now()
	ticker := time.NewTicker(200 * time.Millisecond)
	defer ticker.Stop()
	for {
		s.mu.Lock()
		text := s.text
		s.mu.Unlock()
		fmt.Fprintf(s.out, "%s%s (%s)", clearLine, cut(display(text), width), short(time.Since(begun)))
		select {
		case <-s.quit:
			return
		case <-ticker.C:
		}
	}
}
