package pack

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/audit"
)

// erased stands where a name or words were, until somebody had them forgotten.
const erased = "(erased)"

// Review is what somebody said to a request.
type Review struct {
	By      string    `json:"by"`
	Verdict string    `json:"verdict"`
	Comment string    `json:"comment,omitempty"`
	At      time.Time `json:"at"`
}

// Request is what became of a request.
type Request struct {
	ID           string    `json:"id"`
	By           string    `json:"by"`
	Entitlements string    `json:"entitlements"`
	Duration     string    `json:"duration,omitempty"`
	Reason       string    `json:"reason,omitempty"`
	Ticket       string    `json:"ticket,omitempty"`
	Verdict      string    `json:"verdict"`
	State        string    `json:"state"`
	Why          string    `json:"why,omitempty"`
	Asked        time.Time `json:"asked"`
	Settled      time.Time `json:"settled,omitzero"`
	Reviews      []Review  `json:"reviews,omitempty"`
	// Positions are those of its entries in the log.
	Positions []int64 `json:"positions"`
}

// Grant is the life of a grant.
type Grant struct {
	ID          string    `json:"id"`
	Request     string    `json:"request"`
	Who         string    `json:"who"`
	Entitlement string    `json:"entitlement"`
	Policy      string    `json:"policy,omitempty"`
	Activated   time.Time `json:"activated,omitzero"`
	Deadline    time.Time `json:"deadline,omitzero"`
	Ended       time.Time `json:"ended,omitzero"`
	EndReason   string    `json:"end_reason,omitempty"`
	EndedBy     string    `json:"ended_by,omitempty"`
	// VerifiedBy read back at Verified that the access is gone; empty for a grant that never began, or whose end was
	// attested.
	Verified   time.Time `json:"verified_at,omitzero"`
	VerifiedBy string    `json:"verified_by,omitempty"`
	KeptBy     string    `json:"kept_by,omitempty"`
	// Residual is until when something that was issued may have worked, after the access itself was gone.
	Residual      time.Time `json:"residual_until,omitzero"`
	AttestedBy    []string  `json:"attested_by,omitempty"`
	SessionsEnded int       `json:"sessions_ended,omitempty"`
	// Fetches is how often its credential was issued or fetched.
	Fetches int `json:"credential_fetches"`
	// FailedAttempts is how often the target did not do as it was told.
	FailedAttempts int     `json:"failed_attempts,omitempty"`
	Offline        bool    `json:"removed_while_store_away,omitempty"`
	Positions      []int64 `json:"positions"`
}

// Late is how long after its deadline the grant was read back as gone; negative when that was before.
func (g Grant) Late() time.Duration {
	gone := g.Verified
	if gone.IsZero() {
		gone = g.Ended
	}
	return gone.Sub(g.Deadline)
}

// Note is an entry about something else than one request or grant: a finding, a freeze, a restore.
type Note struct {
	Position int64             `json:"position"`
	At       time.Time         `json:"at"`
	Kind     string            `json:"kind"`
	By       string            `json:"by,omitempty"`
	Grant    string            `json:"grant,omitempty"`
	Words    map[string]string `json:"words,omitempty"`
}

// story is what a log tells, in the order in which it begins.
type story struct {
	requests map[access.RequestID]*Request
	grants   map[access.GrantID]*Grant
	notes    []Note
	last     time.Time

	requestOrder []access.RequestID
	grantOrder   []access.GrantID
}

func newStory() *story {
	return &story{requests: map[access.RequestID]*Request{}, grants: map[access.GrantID]*Grant{}}
}

// tell adds an entry.
func (s *story) tell(r audit.Record) error {
	t := told{r}
	s.last = t.At
	switch {
	case t.Grant != "" && t.Request != "":
		s.tellGrant(t)
	case t.Request != "":
		s.tellRequest(t)
	default:
		s.notes = append(s.notes, t.note())
	}
	return nil
}

// told is an entry in the words of a pack, which say where something was erased.
type told struct{ audit.Record }

func (t told) who(field string, p access.PrincipalID) string {
	switch {
	case slices.Contains(t.Erased, field):
		return erased
	case p == access.PrincipalID{}:
		return ""
	}
	return p.String()
}

func (t told) actor() string {
	actor := t.who(audit.FieldActor, t.Actor)
	if t.Actor == t.Subject && !t.Actor.IsZero() { // of two that are erased nobody can say that they were one
		return t.acting(actor)
	}
	return actor
}

func (t told) subject() string { return t.acting(t.who(audit.FieldSubject, t.Subject)) }

// acting marks an agent, with the human for whom it acts.
func (t told) acting(who string) string {
	return access.WhoActs(who, t.who(audit.FieldActsFor, t.ActsFor))
}

func (t told) word(field string) string {
	if slices.Contains(t.Erased, field) {
		return erased
	}
	return t.Personal[field]
}

func (t told) note() Note {
	n := Note{Position: t.Position, At: t.At, Kind: string(t.Kind), By: t.actor(), Grant: string(t.Grant), Words: map[string]string{}}
	for _, words := range []map[string]string{t.Detail, t.Personal} {
		for k, v := range words {
			n.Words[k] = v
		}
	}
	for _, field := range t.Erased {
		if !audit.IsName(field) {
			n.Words[field] = erased
		}
	}
	return n
}

func (s *story) tellRequest(t told) {
	r := s.requests[t.Request]
	if r == nil {
		r = &Request{ID: string(t.Request), By: t.subject(), Asked: t.At, State: string(access.RequestPending)}
		s.requests[t.Request] = r
		s.requestOrder = append(s.requestOrder, t.Request)
	}
	r.Positions = append(r.Positions, t.Position)
	switch t.Kind {
	case access.EventRequestSubmitted:
		r.Entitlements, r.Duration, r.Verdict = t.Detail["entitlements"], t.Detail["duration"], t.Detail["verdict"]
		r.Reason, r.Ticket = t.word("reason"), cmp.Or(t.Detail["ticket"], t.word("ticket"))
	case access.EventRequestReviewed:
		r.Reviews = append(r.Reviews, Review{By: t.actor(), Verdict: t.Detail["verdict"], Comment: t.word("comment"), At: t.At})
		return
	default: // what it says is its state
	}
	if t.To != "" {
		r.State = t.To
	}
	if access.RequestState(t.To).Settled() {
		r.Settled, r.Why = t.At, cmp.Or(t.Detail["why"], t.word("why"))
	}
}

func (s *story) tellGrant(t told) {
	g := s.grants[t.Grant]
	if g == nil {
		g = &Grant{ID: string(t.Grant), Request: string(t.Request), Who: t.subject(), Entitlement: t.Entitlement}
		s.grants[t.Grant] = g
		s.grantOrder = append(s.grantOrder, t.Grant)
	}
	g.Positions = append(g.Positions, t.Position)
	if deadline, err := time.Parse(time.RFC3339Nano, t.Detail["deadline"]); err == nil {
		g.Deadline = deadline
	}
	if policy := t.Detail["policy"]; policy != "" {
		g.Policy = policy
	}
	switch t.Kind {
	case access.EventGrantActive:
		g.Activated = t.At
	case access.EventGrantRevoking:
		g.EndReason, g.EndedBy = t.Detail["reason"], t.actor()
	case access.EventGrantEnded:
		g.Ended, g.VerifiedBy, g.KeptBy = t.At, t.Detail["verified_by"], t.Detail["kept_by"]
		if reason := t.Detail["reason"]; reason != "" {
			g.EndReason = reason
		}
		if at, err := time.Parse(time.RFC3339Nano, t.Detail["verified_at"]); err == nil {
			g.Verified = at
		}
		if until, err := time.Parse(time.RFC3339Nano, t.Detail["residual_until"]); err == nil {
			g.Residual = until
		}
		g.SessionsEnded, _ = strconv.Atoi(t.Detail["sessions_ended"]) // none is 0
	case access.EventCredentialIssued, access.EventCredentialFetched:
		g.Fetches++
	case access.EventGrantFailed:
		g.FailedAttempts++
	case access.EventGrantRemovedOffline:
		g.Offline = true
	case access.EventGrantAttested:
		g.AttestedBy = append(g.AttestedBy, t.actor())
	default: // its place in the log is all that it adds
	}
}
