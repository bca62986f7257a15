package api

import (
	"context"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/engine"
)

// Passkeys are registered, and confirm requests and reviews, in a browser. What begins there is a ceremony, with the secret of the
// page that it is on. Implementations are safe for concurrent use.
type Passkeys interface {
	ConfirmRequest(ctx context.Context, by access.Principal, id access.RequestID) (c access.Ceremony, link string, err error)
	ConfirmReview(ctx context.Context, by access.Principal, id access.RequestID, o engine.Opinion) (c access.Ceremony, link string, err error)
	Passkeys(ctx context.Context, by access.Principal) (list []access.Passkey, codes int, err error)
	Add(ctx context.Context, by access.Caller, label, invitation string) (c access.Ceremony, link string, err error)
	Remove(ctx context.Context, by access.Principal, id access.PasskeyID) (c access.Ceremony, link string, err error)
	NewCodes(ctx context.Context, by access.Principal) (c access.Ceremony, link string, err error)
	Invite(ctx context.Context, by access.Principal, whom access.PrincipalID) (code string, until time.Time, err error)
	// Ceremony says how far one is, and why it came to nothing if it has.
	Ceremony(ctx context.Context, by access.Principal, id access.CeremonyID) (c access.Ceremony, refused string, err error)
}

// confirmPath begins the address of a ceremony's page.
const confirmPath = "/confirm/"

// Ceremony is something that I do in a browser with a passkey.
type Ceremony struct {
	ID    string    `json:"id"`
	State string    `json:"state" enum:"open,done,refused" doc:"Whether it waits for me, was done, or came to nothing"`
	Until time.Time `json:"until" doc:"When it is too late"`
	URL   string    `json:"url,omitempty" doc:"The page to open; it is told once, to who has begun it"`
	Why   string    `json:"why,omitempty" doc:"Why it came to nothing"`
}

type ceremonyOutput struct{ Body Ceremony }

// begun shows a ceremony to who has begun it.
func (s *surface) begun(c access.Ceremony, link string, err error) (*ceremonyOutput, error) {
	if err != nil {
		return nil, err
	}
	out := newCeremony(c, "")
	out.URL = s.URL + confirmPath + link
	return &ceremonyOutput{Body: out}, nil
}

func newCeremony(c access.Ceremony, refused string) Ceremony {
	out := Ceremony{ID: string(c.ID), State: "open", Until: utc(c.Until), Why: refused}
	switch {
	case refused != "":
		out.State = "refused"
	case !c.DoneAt.IsZero():
		out.State = "done"
	}
	return out
}

func (s *surface) confirmRequest(ctx context.Context, in *requestPath) (*ceremonyOutput, error) {
	id, err := requestID(in.ID)
	if err != nil {
		return nil, err
	}
	return s.begun(s.Passkeys.ConfirmRequest(ctx, actorOf(ctx), id))
}

func (s *surface) confirmReview(ctx context.Context, in *reviewRequestInput) (*ceremonyOutput, error) {
	id, err := requestID(in.ID)
	if err != nil {
		return nil, err
	}
	opinion, err := in.Body.opinion()
	if err != nil {
		return nil, err
	}
	return s.begun(s.Passkeys.ConfirmReview(ctx, actorOf(ctx), id, opinion))
}

// Passkey is a public key of mine, whose private half an authenticator keeps.
type Passkey struct {
	ID        string    `json:"id"`
	Label     string    `json:"label"`
	CreatedAt time.Time `json:"created_at"`
	UsedAt    time.Time `json:"used_at,omitzero"`
	Synced    bool      `json:"synced" doc:"Whether the authenticator may have copied it to other devices of mine"`
}

// PasskeyList is what I can confirm with.
type PasskeyList struct {
	Items         []Passkey `json:"items" nullable:"false"`
	RecoveryCodes int       `json:"recovery_codes" doc:"How many recovery codes are good still"`
}

type listPasskeysOutput struct{ Body PasskeyList }

func (s *surface) listPasskeys(ctx context.Context, _ *struct{}) (*listPasskeysOutput, error) {
	list, codes, err := s.Passkeys.Passkeys(ctx, actorOf(ctx))
	if err != nil {
		return nil, err
	}
	out := PasskeyList{Items: make([]Passkey, len(list)), RecoveryCodes: codes}
	for i, p := range list {
		out.Items[i] = Passkey{ID: string(p.ID), Label: p.Label, CreatedAt: utc(p.CreatedAt), UsedAt: utc(p.UsedAt), Synced: p.BackedUp}
	}
	return &listPasskeysOutput{Body: out}, nil
}

// PasskeyBody says what passkey to register.
type PasskeyBody struct {
	Label      string `json:"label" doc:"By which I tell my passkeys apart; 64 bytes at most"`
	Invitation string `json:"invitation,omitempty" maxLength:"128" doc:"An administrator's, where I have not signed in a short while ago"`
}

type addPasskeyInput struct{ Body PasskeyBody }

func (s *surface) addPasskey(ctx context.Context, in *addPasskeyInput) (*ceremonyOutput, error) {
	return s.begun(s.Passkeys.Add(ctx, callerOf(ctx), in.Body.Label, in.Body.Invitation))
}

type passkeyPath struct {
	ID string `path:"id"`
}

func (s *surface) removePasskey(ctx context.Context, in *passkeyPath) (*ceremonyOutput, error) {
	id, err := parseID[access.PasskeyID]("passkey", access.PasskeyPrefix, in.ID)
	if err != nil {
		return nil, err
	}
	return s.begun(s.Passkeys.Remove(ctx, actorOf(ctx), id))
}

func (s *surface) makeRecoveryCodes(ctx context.Context, _ *struct{}) (*ceremonyOutput, error) {
	return s.begun(s.Passkeys.NewCodes(ctx, actorOf(ctx)))
}

// InvitationBody says whom to invite.
type InvitationBody struct {
	Principal string `json:"principal" maxLength:"512" doc:"A bare name means the static source, others are ISSUER/SUBJECT"`
}

// Invitation lets somebody register a first passkey, once.
type Invitation struct {
	Code  string    `json:"code" doc:"Good once, and only for who is signed in as the principal"`
	Until time.Time `json:"until"`
}

type invitePasskeyInput struct{ Body InvitationBody }

type invitePasskeyOutput struct{ Body Invitation }

func (s *surface) invitePasskey(ctx context.Context, in *invitePasskeyInput) (*invitePasskeyOutput, error) {
	whom, err := access.ParsePrincipalID(in.Body.Principal)
	if err != nil {
		return nil, access.Wrap(access.KindInvalid, err, "This is not the name of a principal.")
	}
	code, until, err := s.Passkeys.Invite(ctx, actorOf(ctx), whom)
	if err != nil {
		return nil, err
	}
	return &invitePasskeyOutput{Body: Invitation{Code: code, Until: utc(until)}}, nil
}

func (s *surface) getCeremony(ctx context.Context, in *passkeyPath) (*ceremonyOutput, error) {
	id, err := parseID[access.CeremonyID]("ceremony", access.CeremonyPrefix, in.ID)
	if err != nil {
		return nil, err
	}
	c, refused, err := s.Passkeys.Ceremony(ctx, actorOf(ctx), id)
	if err != nil {
		return nil, err
	}
	return &ceremonyOutput{Body: newCeremony(c, refused)}, nil
}
