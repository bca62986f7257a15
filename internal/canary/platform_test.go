package canary

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"path/filepath"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// platformIssuer has its keys in a file, and chattyIssuer at a server that repeats what it was told.
const (
	platformIssuer = "https://issuer.example"
	chattyIssuer   = "https://chatty.example"
)

// platform is where workloads run: it signs tokens for them, with a key whose public half is in a file.
type platform struct {
	signer jose.Signer
	keys   string
}

func (h *house) newPlatform() platform {
	h.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		h.Fatal(err)
	}
	named := jose.JSONWebKey{Key: key, KeyID: "k", Algorithm: string(jose.ES256)}
	text, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{named.Public()}})
	if err != nil {
		h.Fatal(err)
	}
	h.write("platform.json", string(text))
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: named}, nil)
	if err != nil {
		h.Fatal(err)
	}
	return platform{signer, filepath.Join(h.folder, "platform.json")}
}

// issue signs a token for a job, and plants it.
func (h *house) issue(issuer, job string) (file string) {
	h.Helper()
	now := time.Now()
	claims, err := json.Marshal(map[string]any{
		"iss": issuer, "aud": h.url(), "sub": job, "jti": job, "iat": now.Unix(), "exp": now.Add(10 * time.Minute).Unix(),
	})
	if err != nil {
		h.Fatal(err)
	}
	signed, err := h.platform.signer.Sign(claims)
	if err != nil {
		h.Fatal(err)
	}
	token, err := signed.CompactSerialize()
	if err != nil {
		h.Fatal(err)
	}
	file = filepath.Join("secrets", job+".jwt")
	h.write(file, h.plant(h, "a workload's token", token))
	return filepath.Join(h.folder, file)
}

// workload has a job sign in and use what it gets, and another one that no rule is for.
func (h *house) workload() {
	h.Helper()
	h.must("job", "login", "--workload", "--token-file", h.issue(platformIssuer, "job-1"), h.url())
	h.must("job", "exec", "db/orders:read", "--reason", "deploy", "--for", "5m", "--", "true")
	h.secretly("job", "login", "--workload", "--print", "--token-file", h.issue(platformIssuer, "job-1"), h.url())
	for issuer, job := range map[string]string{platformIssuer: "job-2", chattyIssuer: "job-1"} {
		if out := h.curfew("stranger", "login", "--workload", "--token-file", h.issue(issuer, job), h.url()); out.code == 0 {
			h.Errorf("%s of %s signs in:\n%s", job, issuer, out.stdout)
		}
	}
}
