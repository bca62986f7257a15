package awskms

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/secret"
)

func keyID(generation int) secret.KeyID {
	return secret.KeyID{Owner: secret.Owner{Installation: "i1", Tenant: "default"}, Generation: generation, Use: secret.SealingKey}
}

// static writes an access key into files, and refers to them.
func static(t testing.TB, who credentials) (id, key secret.Ref) {
	t.Helper()
	folder := t.TempDir()
	for name, content := range map[string]string{"id": who.accessKeyID, "secret": who.secretAccessKey} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return secret.Ref("file:" + folder + "/id"), secret.Ref("file:" + folder + "/secret")
}

func open(t testing.TB, e *emulated, key string) *Wrapper {
	t.Helper()
	id, secretKey := static(t, e.who)
	w, err := Open(Config{Key: key, Region: emulatedRegion, Endpoint: e.server.URL, AccessKeyID: id, SecretAccessKey: secretKey})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestWrapAndUnwrap(t *testing.T) {
	e := newEmulated(t)
	key := bytes.Repeat([]byte{7}, 32)
	for _, name := range []string{e.arn, "alias/curfew"} {
		w := open(t, e, name)
		wrapped, err := w.Wrap(t.Context(), keyID(1), key)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := w.Unwrap(t.Context(), keyID(1), wrapped); err != nil || !bytes.Equal(got, key) {
			t.Errorf("Unwrap = %x, %v", got, err)
		}
		_, err = w.Unwrap(t.Context(), keyID(2), wrapped)
		if access.KindOf(err) != access.KindMisconfigured || !strings.Contains(err.Error(), "InvalidCiphertextException") {
			t.Errorf("as another generation's key: %v", err)
		}
		if w.Name() != "aws_kms "+name {
			t.Errorf("it is called %q", w.Name())
		}
	}
	want := map[string]string{"curfew:installation": "i1", "curfew:tenant": "default", "curfew:generation": "1", "curfew:use": "sealing"}
	if diff := cmp.Diff(want, e.contexts[0]); diff != "" {
		t.Errorf("the encryption context, which key policies ask for (-want +got):\n%s", diff)
	}
}

// What may go better is tried again, and nothing else.
func TestErrorsAndRetries(t *testing.T) {
	e := newEmulated(t)
	w := open(t, e, e.arn)
	throttled, broken := fault{http.StatusBadRequest, "ThrottlingException"}, fault{http.StatusInternalServerError, "KMSInternalException"}
	for _, c := range []struct {
		name   string
		faults []fault
		calls  int
		kind   access.Kind
		says   string
	}{
		{"throttled", []fault{throttled, throttled}, 3, access.KindInternal, ""},
		{"broken", []fault{broken, broken, broken, broken}, 4, access.KindUnavailable, "KMSInternalException"},
		{"denied", []fault{{http.StatusBadRequest, "AccessDeniedException"}}, 1, access.KindMisconfigured, "docs/keys.md"},
		{"disabled", []fault{{http.StatusBadRequest, "DisabledException"}}, 1, access.KindMisconfigured, "cannot be used"},
		{"unheard of", []fault{{http.StatusBadRequest, "SomethingNewException"}}, 1, access.KindUnavailable, "SomethingNew"},
	} {
		e.fail(c.faults...)
		e.calls = nil
		_, err := w.Wrap(t.Context(), keyID(1), []byte("key"))
		if c.says == "" && err != nil || c.says != "" && (access.KindOf(err) != c.kind || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%s: %v", c.name, err)
		}
		if len(e.calls) != c.calls {
			t.Errorf("%s: %d calls, want %d", c.name, len(e.calls), c.calls)
		}
		e.fail()
	}
}

func TestWrongSecretIsRefusedAndNotRepeated(t *testing.T) {
	e := newEmulated(t)
	w := open(t, e, e.arn)
	e.who.secretAccessKey = "another"
	_, err := w.Wrap(t.Context(), keyID(1), []byte("data key"))
	if access.KindOf(err) != access.KindMisconfigured || !strings.Contains(err.Error(), "InvalidSignatureException") {
		t.Errorf("got %v", err)
	}
	for _, hidden := range []string{"EXAMPLEKEY", "data key", "ZGF0YSBrZXk"} {
		if strings.Contains(err.Error(), hidden) {
			t.Errorf("the error repeats %q: %v", hidden, err)
		}
	}
}

// A redirect is not followed: it would carry a data key away.
func TestRedirectIsNotFollowed(t *testing.T) {
	e := newEmulated(t)
	away := false
	elsewhere := serve(t, func(http.ResponseWriter, *http.Request) { away = true })
	redirecting := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, elsewhere+"/", http.StatusTemporaryRedirect)
	})
	w := open(t, e, e.arn)
	w.config.Endpoint = redirecting
	if _, err := w.Wrap(t.Context(), keyID(1), []byte("key")); err == nil || away {
		t.Errorf("followed: %t, %v", away, err)
	}
}

func TestNobodyAnswers(t *testing.T) {
	e := newEmulated(t)
	w := open(t, e, e.arn)
	e.server.Close()
	if _, err := w.Wrap(t.Context(), keyID(1), []byte("key")); access.KindOf(err) != access.KindUnavailable {
		t.Errorf("got %v", err)
	}
}

func TestCheck(t *testing.T) {
	arn := "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
	good := Config{Key: arn}
	for name, c := range map[string]struct {
		change func(*Config)
		field  string
	}{
		"an ARN has its region":   {func(*Config) {}, ""},
		"an alias":                {func(c *Config) { c.Key, c.Region = "alias/curfew", "eu-central-1" }, ""},
		"China":                   {func(c *Config) { c.Key = strings.Replace(arn, "aws:kms:eu-central-1", "aws-cn:kms:cn-north-1", 1) }, ""},
		"loopback in clear":       {func(c *Config) { c.Endpoint = "http://127.0.0.1:4566" }, ""},
		"no key":                  {func(c *Config) { c.Key = "" }, "key"},
		"no form of a key":        {func(c *Config) { c.Key = "a key" }, "key"},
		"no region":               {func(c *Config) { c.Key = "alias/curfew" }, "region"},
		"another region":          {func(c *Config) { c.Region = "us-east-1" }, "region"},
		"no form of a region":     {func(c *Config) { c.Key, c.Region = "alias/curfew", "eu central" }, "region"},
		"in clear":                {func(c *Config) { c.Endpoint = "http://kms.example" }, "endpoint"},
		"an endpoint with a path": {func(c *Config) { c.Endpoint = "https://kms.example/x" }, "endpoint"},
		"a user in the endpoint":  {func(c *Config) { c.Endpoint = "https://u:p@kms.example" }, "endpoint"},
		"half an access key":      {func(c *Config) { c.AccessKeyID = "env:X" }, "access_key_id"},
	} {
		config := good
		c.change(&config)
		if field, problem := config.Check(); field != c.field || (problem == "") != (field == "") {
			t.Errorf("%s: %s: %q, want %q", name, field, problem, c.field)
		}
		if _, err := Open(config); (err == nil) != (c.field == "") {
			t.Errorf("%s: Open: %v", name, err)
		}
	}
	if at := (Config{Key: arn}).address(); at != "https://kms.eu-central-1.amazonaws.com" {
		t.Errorf("the service is at %s", at)
	}
	if at := (Config{Key: "alias/x", Region: "cn-north-1"}).address(); at != "https://kms.cn-north-1.amazonaws.com.cn" {
		t.Errorf("the service in China is at %s", at)
	}
}
