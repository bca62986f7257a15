package audit

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/curfewhq/curfew/internal/access"
)

// MaxCheckpoint bounds a signed checkpoint, in bytes, cosignatures of witnesses included.
const MaxCheckpoint = 16 << 10

// Checkpoint says what a log's tree was at one size. Who keeps one can later tell whether the log still begins with what
// it had then.
type Checkpoint struct {
	// Origin names the log, see Origin.
	Origin string
	Tree   tlog.Tree
}

// Origin is the name of a tenant's log, and of the keys that sign its checkpoints.
func Origin(installation string, tenant access.TenantID) string {
	// A key's name has neither a space nor a plus sign (package note).
	return "curfew/" + installation + "/" + strings.ReplaceAll(url.PathEscape(string(tenant)), "+", "%2B")
}

// ErrNoCheckpoint is the error for a text that is no signed checkpoint.
var ErrNoCheckpoint = errors.New("this is no signed checkpoint of an audit log")

// text is the form of https://c2sp.org/tlog-checkpoint.
func (c Checkpoint) text() string {
	return fmt.Sprintf("%s\n%d\n%s\n", c.Origin, c.Tree.N, base64.StdEncoding.EncodeToString(c.Tree.Hash[:]))
}

// SignCheckpoint is the checkpoint as a signed note (https://c2sp.org/signed-note).
func SignCheckpoint(c Checkpoint, key ed25519.PrivateKey) ([]byte, error) {
	signer, err := newSigner(c.Origin, key)
	if err != nil {
		return nil, err
	}
	return note.Sign(&note.Note{Text: c.text()}, signer)
}

// OpenCheckpoint reads a signed checkpoint, and fails unless one of the keys has signed it. The keys are as VerifierKey
// writes them.
func OpenCheckpoint(signed []byte, keys ...string) (Checkpoint, error) {
	if len(signed) > MaxCheckpoint {
		return Checkpoint{}, fmt.Errorf("%w: it has more than %d bytes", ErrNoCheckpoint, MaxCheckpoint)
	}
	verifiers := make([]note.Verifier, len(keys))
	for i, key := range keys {
		v, err := note.NewVerifier(key)
		if err != nil {
			return Checkpoint{}, fmt.Errorf("%.200q is no public key of an audit log: %w", key, err)
		}
		verifiers[i] = v
	}
	n, err := note.Open(signed, note.VerifierList(verifiers...))
	if err != nil {
		return Checkpoint{}, fmt.Errorf("the checkpoint: %w", err)
	}
	return parseCheckpoint(n.Text)
}

// ReadCheckpoint reads a checkpoint without asking who has signed it. Whoever kept it in a safe place can believe it all
// the same.
func ReadCheckpoint(signed []byte) (Checkpoint, error) {
	text, _, found := strings.Cut(string(signed), "\n\n")
	if len(signed) > MaxCheckpoint || !found {
		return Checkpoint{}, ErrNoCheckpoint
	}
	return parseCheckpoint(text + "\n")
}

func parseCheckpoint(text string) (Checkpoint, error) {
	// Lines behind the third are extensions, of which none is known here.
	lines := strings.SplitN(text, "\n", 4)
	if len(lines) < 4 || lines[0] == "" {
		return Checkpoint{}, ErrNoCheckpoint
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 0 || lines[1] != strconv.FormatInt(size, 10) {
		return Checkpoint{}, fmt.Errorf("%w: the size in its second line is no number", ErrNoCheckpoint)
	}
	hash, err := base64.StdEncoding.Strict().DecodeString(lines[2])
	if err != nil || len(hash) != tlog.HashSize {
		return Checkpoint{}, fmt.Errorf("%w: its third line is no hash", ErrNoCheckpoint)
	}
	return Checkpoint{Origin: lines[0], Tree: tlog.Tree{N: size, Hash: tlog.Hash(hash)}}, nil
}

// VerifierKey is the public key of a log as one line of text, by which others verify its checkpoints.
func VerifierKey(origin string, key ed25519.PublicKey) (string, error) {
	return note.NewEd25519VerifierKey(origin, key)
}

// signer signs notes. The package note makes one only of a key that it wrote itself.
type signer struct {
	verifier note.Verifier
	key      ed25519.PrivateKey
}

func newSigner(origin string, key ed25519.PrivateKey) (*signer, error) {
	public, err := VerifierKey(origin, key.Public().(ed25519.PublicKey))
	if err != nil {
		return nil, err
	}
	verifier, err := note.NewVerifier(public)
	if err != nil {
		return nil, err
	}
	return &signer{verifier: verifier, key: key}, nil
}

func (s *signer) Name() string                    { return s.verifier.Name() }
func (s *signer) KeyHash() uint32                 { return s.verifier.KeyHash() }
func (s *signer) Sign(msg []byte) ([]byte, error) { return ed25519.Sign(s.key, msg), nil }

// SplitCheckpoints takes a text apart that has any number of signed checkpoints, one after the other.
func SplitCheckpoints(text []byte) (notes [][]byte) {
	const signature = "— "
	var begin int
	signed := false
	for at := 0; at < len(text); {
		end := len(text)
		if n := bytes.IndexByte(text[at:], '\n'); n >= 0 {
			end = at + n + 1
		}
		line := text[at:end]
		switch isSignature := bytes.HasPrefix(line, []byte(signature)); {
		case isSignature:
			signed = true
		case signed && len(bytes.TrimSpace(line)) == 0:
			// An empty line between two.
			notes, begin, signed = append(notes, text[begin:at]), end, false
		case signed:
			notes, begin, signed = append(notes, text[begin:at]), at, false
		}
		at = end
	}
	if len(bytes.TrimSpace(text[begin:])) > 0 {
		notes = append(notes, text[begin:])
	}
	return notes
}
