package api

import (
	"context"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/directory"
)

// Persons says which accounts are one human's. Implementations are safe for concurrent use.
type Persons interface {
	LinkByProof(ctx context.Context, by access.Caller, token string) (directory.Link, error)
	Link(ctx context.Context, admin access.Principal, one, other access.PrincipalID, reason string) (directory.Link, error)
	Unlink(ctx context.Context, admin access.Principal, id access.PrincipalID, reason string) (access.PersonID, error)
}

// LinkBody says which accounts are one human's: mine and the one whose token this is, or two, on the word of an administrator.
type LinkBody struct {
	Token      string   `json:"token,omitempty" maxLength:"4096" doc:"A token with which I have signed in under my other account; the session that it is of ends with that"`
	Principals []string `json:"principals,omitempty" maxItems:"2" doc:"Two accounts, for an administrator who is neither"`
	Reason     string   `json:"reason,omitempty" doc:"Why, from an administrator; 4096 bytes at most"`
}

// Link says who is one person now.
type Link struct {
	Person   string   `json:"person"`
	Formerly string   `json:"formerly" doc:"What some of the accounts' person was called before"`
	Moved    []string `json:"moved" nullable:"false" doc:"The accounts that were of that one"`
}

type linkInput struct{ Body LinkBody }

type linkOutput struct{ Body Link }

func (s *surface) link(ctx context.Context, in *linkInput) (*linkOutput, error) {
	l, err := s.linked(ctx, in.Body)
	if err != nil {
		return nil, err
	}
	out := Link{Person: string(l.Person), Formerly: string(l.Formerly), Moved: []string{}}
	for _, id := range l.Moved {
		out.Moved = append(out.Moved, principalText(id))
	}
	return &linkOutput{Body: out}, nil
}

func (s *surface) linked(ctx context.Context, b LinkBody) (directory.Link, error) {
	if b.Token != "" && len(b.Principals) == 0 {
		return s.Persons.LinkByProof(ctx, callerOf(ctx), b.Token)
	}
	if b.Token != "" || len(b.Principals) != 2 {
		return directory.Link{}, access.Errorf(access.KindInvalid, "Send a token of your other account, or, as an administrator, two principals.")
	}
	var ids [2]access.PrincipalID
	for i, text := range b.Principals {
		id, err := access.ParsePrincipalID(text)
		if err != nil {
			return directory.Link{}, access.Wrap(access.KindInvalid, err, "A principal is written ISSUER/SUBJECT, or as a bare name of the static source.")
		}
		ids[i] = id
	}
	return s.Persons.Link(ctx, actorOf(ctx), ids[0], ids[1], b.Reason)
}

// UnlinkBody says whom to tell apart.
type UnlinkBody struct {
	Principal string `json:"principal"`
	Reason    string `json:"reason" doc:"Why; 4096 bytes at most"`
}

// Unlinked says who an account is now.
type Unlinked struct {
	Person string `json:"person"`
}

type unlinkInput struct{ Body UnlinkBody }

type unlinkOutput struct{ Body Unlinked }

func (s *surface) unlink(ctx context.Context, in *unlinkInput) (*unlinkOutput, error) {
	id, err := access.ParsePrincipalID(in.Body.Principal)
	if err != nil {
		return nil, access.Wrap(access.KindInvalid, err, "A principal is written ISSUER/SUBJECT, or as a bare name of the static source.")
	}
	person, err := s.Persons.Unlink(ctx, actorOf(ctx), id, in.Body.Reason)
	if err != nil {
		return nil, err
	}
	return &unlinkOutput{Body: Unlinked{Person: string(person)}}, nil
}
