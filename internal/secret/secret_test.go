package secret_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/secret"
	"github.com/curfewhq/curfew/internal/secret/localfile"
)

func wrapper(t testing.TB) *localfile.Wrapper {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kek")
	if err := localfile.Create(path); err != nil {
		t.Fatal(err)
	}
	w, err := localfile.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestCredentialOpensForItsRecipientAndBindingOnly(t *testing.T) {
	key, err := secret.NewRecipientKey()
	if err != nil {
		t.Fatal(err)
	}
	b := secret.Binding{Tenant: "default", Grant: "gr_1", Principal: access.PrincipalID{Issuer: "static", Subject: "alice"}, Attempt: 1}
	sealed, err := secret.SealTo(key.Public(), b, []byte("hunter2"))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := key.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	again, err := secret.ParseRecipientKey(raw)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := again.Open(b, sealed); err != nil || string(got) != "hunter2" {
		t.Fatalf("Open = %q, %v", got, err)
	}
	wrong := map[string]secret.Binding{"tenant": b, "grant": b, "issuer": b, "subject": b, "attempt": b}
	for name, v := range wrong {
		switch name {
		case "tenant":
			v.Tenant = "other"
		case "grant":
			v.Grant = "gr_2"
		case "issuer":
			v.Principal.Issuer = "sso"
		case "subject":
			v.Principal.Subject = "bob"
		case "attempt":
			v.Attempt = 2
		}
		if _, err := key.Open(v, sealed); err == nil {
			t.Errorf("opened under another %s", name)
		}
	}
	stranger, _ := secret.NewRecipientKey()
	if _, err := stranger.Open(b, sealed); err == nil {
		t.Error("opened with another key")
	}
	for _, bad := range [][]byte{nil, {4}, bytes.Repeat([]byte{4}, 65), make([]byte, 1<<20)} {
		if err := secret.CheckRecipient(bad); err == nil {
			t.Errorf("accepted a recipient of %d bytes", len(bad))
		}
		if _, err := secret.SealTo(bad, b, nil); err == nil {
			t.Errorf("sealed to a recipient of %d bytes", len(bad))
		}
	}
}

func TestRefRefusesLiteralsWithoutRepeatingThem(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		literal := rapid.StringMatching(`[A-Za-z0-9:/@._ -]{8,40}`).Draw(t, "literal")
		if strings.HasPrefix(literal, "env:") || strings.HasPrefix(literal, "file:") {
			return
		}
		_, err := secret.ParseRef(literal)
		if err == nil {
			t.Fatalf("accepted %q", literal)
		}
		if strings.Contains(err.Error(), literal) {
			t.Fatalf("the error repeats the literal: %v", err)
		}
	})
}

func TestRefResolves(t *testing.T) {
	t.Setenv("CURFEW_TEST_SECRET", "from the environment")
	file := filepath.Join(t.TempDir(), "s")
	if err := os.WriteFile(file, []byte("from the file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for ref, want := range map[string]string{"env:CURFEW_TEST_SECRET": "from the environment", "file:" + file: "from the file"} {
		r, err := secret.ParseRef(ref)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := r.Resolve(); err != nil || got != want {
			t.Errorf("%s: %q, %v", ref, got, err)
		}
	}
	for _, ref := range []secret.Ref{"env:CURFEW_TEST_UNSET", secret.Ref("file:" + file + "missing"), "literal"} {
		if _, err := ref.Resolve(); err == nil {
			t.Errorf("%s resolved", ref)
		}
	}
}

func TestKeyFileIsRefusedWhenOthersCanReachIt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kek")
	if err := localfile.Create(path); err != nil {
		t.Fatal(err)
	}
	if err := localfile.Create(path); !errors.Is(err, os.ErrExist) {
		t.Errorf("a second Create = %v, want ErrExist", err)
	}
	for _, mode := range []os.FileMode{0o640, 0o604, 0o620, 0o666} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := localfile.Open(path); err == nil || !strings.Contains(err.Error(), "chmod 600") {
			t.Errorf("mode %o: %v", mode, err)
		}
	}
	if err := os.WriteFile(path, []byte("something else"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := localfile.Open(path); err == nil {
		t.Error("a file that is no key file was accepted")
	}
	if _, err := localfile.Open(path + ".missing"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
}
