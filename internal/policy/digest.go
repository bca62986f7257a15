package policy

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/gowebpki/jcs"
)

// sourceVersion is the version of the form that Source writes.
const sourceVersion = 1

// maxSource bounds what Load reads, in bytes.
const maxSource = 64 << 20

// source is what Set.Source writes.
type source struct {
	Version  int      `json:"version"`
	Policies []Policy `json:"policies"`
}

// Source is the set as canonical JSON (RFC 8785) of its canonical policies; Load reads it back.
func (s *Set) Source() []byte { return bytes.Clone(s.source) }

// Load compiles what Source returned, for replay. The set that it returns has the same Source and decides the same.
func Load(text []byte) (*Set, error) {
	if len(text) > maxSource {
		return nil, fmt.Errorf("a policy set of %d bytes is longer than %d", len(text), maxSource)
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	var src source
	if err := decoder.Decode(&src); err != nil {
		return nil, fmt.Errorf("the text is not the source of a policy set: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("the text goes on behind the policy set")
	}
	if src.Version != sourceVersion {
		return nil, fmt.Errorf("the policy set has version %d; this program reads version %d", src.Version, sourceVersion)
	}
	return Compile(src.Policies)
}

// seal fixes the source and the digests. Policies are canonical here, so that what means the same has the same digest.
func (s *Set) seal() error {
	src := source{Version: sourceVersion, Policies: make([]Policy, len(s.policies))}
	for i, p := range s.policies {
		src.Policies[i] = p.Policy
		text, err := canonicalJSON(p.Policy)
		if err != nil {
			return err
		}
		p.digest = digest(text)
	}
	text, err := canonicalJSON(src)
	if err != nil {
		return err
	}
	s.source, s.digest = text, digest(text)
	return nil
}

// Digests is the digest of each policy by its name: SHA-256 over its canonical JSON, in hex. Decision.Digests has them.
func (s *Set) Digests() map[string]string {
	digests := make(map[string]string, len(s.policies))
	for _, p := range s.policies {
		digests[p.Name] = p.digest
	}
	return digests
}

func canonicalJSON(v any) ([]byte, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("a policy cannot be written as JSON: %w", err)
	}
	canonical, err := jcs.Transform(text)
	if err != nil {
		return nil, fmt.Errorf("a policy cannot be written as canonical JSON: %w", err)
	}
	return canonical, nil
}

func digest(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}
