package sqlstore

import "slices"

const (
	// maxBatch bounds the members of one commit that somebody waits for, and with it the time for which the first of them waits.
	maxBatch = 256
	// queueLength bounds the members that wait in each line; whoever comes later waits for a place.
	queueLength = 1024
	// urgentPerBackground is how many members that somebody waits for go before each one of the background.
	urgentPerBackground = 16
)

// queue is what waits for the writer, in two lines: what somebody waits for, and what is done in the background. Each commit
// has room for both, so that no number of one holds up the other for good; the background's share is small while
// somebody waits, so that nobody waits for a commit full of it.
type queue struct {
	urgent, background chan *member
}

func newQueue() queue {
	return queue{urgent: make(chan *member, queueLength), background: make(chan *member, queueLength)}
}

// line is where the member waits.
func (q queue) line(m *member) chan<- *member {
	if m.background {
		return q.background
	}
	return q.urgent
}

// close says that nobody else comes.
func (q queue) close() {
	close(q.urgent)
	close(q.background)
}

// first waits for the first member of a commit. It is nil when the queue is closed and empty.
func (q queue) first() *member {
	urgent, background := q.urgent, q.background
	for urgent != nil || background != nil {
		select {
		case m, open := <-urgent:
			if open {
				return m
			}
			urgent = nil
		case m, open := <-background:
			if open {
				return m
			}
			background = nil
		}
	}
	return nil
}

// gather takes what is queued behind first: all that somebody waits for, and the background's share.
func (q queue) gather(first *member) []*member {
	var batch []*member
	if first.take() {
		batch = append(batch, first)
	}
	for len(batch) < maxBatch {
		m := nextTaken(q.urgent)
		if m == nil {
			break
		}
		batch = append(batch, m)
	}
	for range 1 + len(batch)/urgentPerBackground {
		if m := nextTaken(q.background); m != nil {
			batch = append(batch, m)
		}
	}
	return batch
}

// spare takes one more of the background for a commit under way, unless somebody waits for its end: one of its members, or
// one who has come since.
func (q queue) spare(batch []*member) *member {
	urgent := func(m *member) bool { return !m.background }
	if len(batch) >= maxBatch || len(q.urgent) > 0 || slices.ContainsFunc(batch, urgent) {
		return nil
	}
	return nextTaken(q.background)
}

// nextTaken is the next member of the line whose caller still waits.
func nextTaken(line <-chan *member) *member {
	for {
		if m := next(line); m == nil || m.take() {
			return m
		}
	}
}

// next is nil when nothing is queued.
func next(line <-chan *member) *member {
	select {
	case m := <-line:
		return m
	default:
		return nil
	}
}
