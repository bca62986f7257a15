package passkey

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"errors"
	"strconv"
	"strings"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

const (
	// codeCount is how many recovery codes somebody gets, and codeBytes how random each is: nobody guesses one, nor finds it by
	// its hash.
	codeCount = 10
	codeBytes = 15
	// maxWrong is how many wrong codes one ceremony takes.
	maxWrong = 5
)

// newCode is a recovery code as it is shown: groups of four, of an alphabet without look-alikes that matter.
func newCode() string {
	var b [codeBytes]byte
	_, _ = rand.Read(b[:]) // never fails
	text := base32.StdEncoding.EncodeToString(b[:])
	var groups []string
	for len(text) > 0 {
		groups, text = append(groups, text[:4]), text[4:]
	}
	return strings.Join(groups, "-")
}

// hashCode is the hash of a code as somebody types it, who may leave out what is between the groups.
func hashCode(typed string) store.SecretHash {
	return store.HashSecret("recovery " + strings.ToUpper(strings.NewReplacer("-", "", " ", "").Replace(typed)))
}

// makeCodes makes new recovery codes. The old ones are void.
func (k *Keeper) makeCodes(ctx context.Context, v visit, spend with) ([]string, error) {
	codes, hashes := make([]string, codeCount), make([]store.SecretHash, codeCount)
	for i := range codes {
		codes[i] = newCode()
		hashes[i] = hashCode(codes[i])
	}
	err := k.config.Engine.Change(ctx, txEnded, func(tx store.Tx, enter func(access.Event) error) error {
		if err := spend(tx, enter); err != nil {
			return err
		}
		if err := k.end(tx, v); err != nil {
			return err
		}
		if err := tx.RecoveryCodes().Replace(v.Tenant, v.Principal, v.user.Person, hashes); err != nil {
			return err
		}
		return enter(k.event(access.EventRecoveryCodesMade, v, map[string]string{"codes": strconv.Itoa(codeCount)}))
	})
	if err != nil {
		return nil, err
	}
	return codes, nil
}

// errWrongCode is the answer to a code that is none.
var errWrongCode = access.Errorf(access.KindDenied, "This is none of your recovery codes, or was used.")

// Recover takes a recovery code in the place of a passkey, for what is about passkeys. It confirms no request and no review: that
// needs a signature, which a code cannot give.
func (k *Keeper) Recover(ctx context.Context, link, code string) (more bool, codes []string, err error) {
	v, err := k.visit(ctx, link)
	switch {
	case err != nil:
		return false, nil, err
	case !v.DoneAt.IsZero():
		return false, nil, errOver
	case !v.recoverable():
		return false, nil, access.Errorf(access.KindDenied, "A recovery code is good for registering and removing passkeys, and for nothing else.")
	}
	more, codes, err = k.proven(ctx, v, func(tx store.Tx, enter func(access.Event) error) error {
		err := tx.RecoveryCodes().Use(v.Tenant, v.Principal, hashCode(code))
		if access.KindOf(err) == access.KindNotFound {
			return errWrongCode
		}
		if err != nil {
			return err
		}
		left, err := tx.RecoveryCodes().Left(v.Tenant, v.Principal)
		if err != nil {
			return err
		}
		return enter(k.event(access.EventRecoveryCodeUsed, v, map[string]string{"for": string(v.state.Purpose), "left": strconv.Itoa(left)}))
	})
	if errors.Is(err, errWrongCode) {
		return false, nil, k.wrongCode(ctx, v)
	}
	return more, codes, err
}

// recoverable reports whether a recovery code may stand in for a passkey now.
func (v visit) recoverable() bool {
	return !v.state.Create && (v.state.Purpose == addPasskey || v.state.Purpose == removePasskey || v.state.Purpose == newCodes)
}

// wrongCode counts a code that was none, and ends the ceremony when there were too many.
func (k *Keeper) wrongCode(ctx context.Context, v visit) error {
	v.state.Wrong++
	over := v.state.Wrong >= maxWrong
	if over {
		v.state.Refused = "Too many wrong recovery codes."
	}
	err := k.config.Engine.Change(ctx, txProgressed, func(tx store.Tx, _ func(access.Event) error) error {
		if over {
			return k.end(tx, v)
		}
		return k.write(tx, v)
	})
	if err != nil {
		return err
	}
	return errWrongCode
}
