package awskms

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew/internal/access"
)

func serve(t testing.TB, handle http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(handle)
	t.Cleanup(s.Close)
	return s.URL
}

// from is a source in an environment of the test's own.
func from(c Config, env map[string]string, metadata string) *source {
	s := newSource(c, http.DefaultClient)
	s.getenv = func(name string) string { return env[name] }
	s.metadata = metadata
	return s
}

func TestCredentialsOfTheEnvironment(t *testing.T) {
	s := from(Config{}, map[string]string{"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "key", "AWS_SESSION_TOKEN": "token"}, "")
	got, err := s.get(t.Context(), time.Now())
	if want := (credentials{accessKeyID: "id", secretAccessKey: "key", sessionToken: "token"}); err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
}

// What is configured comes before the environment.
func TestConfiguredCredentials(t *testing.T) {
	id, key := static(t, credentials{accessKeyID: "id", secretAccessKey: "key"})
	s := from(Config{AccessKeyID: id, SecretAccessKey: key}, map[string]string{"AWS_ACCESS_KEY_ID": "other", "AWS_SECRET_ACCESS_KEY": "other"}, "")
	got, err := s.get(t.Context(), time.Now())
	if want := (credentials{accessKeyID: "id", secretAccessKey: "key"}); err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
}

// TestWebIdentity trades a token at an emulation of AssumeRoleWithWebIdentity, as AWS's reference describes its answer.
func TestWebIdentity(t *testing.T) {
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("eyJ-a-token"), 0o600); err != nil {
		t.Fatal(err)
	}
	now := time.Now().UTC().Truncate(time.Second)
	calls := 0
	sts := serve(t, func(w http.ResponseWriter, r *http.Request) {
		calls++
		for name, want := range map[string]string{
			"Action": "AssumeRoleWithWebIdentity", "Version": "2011-06-15", "RoleArn": "arn:aws:iam::111122223333:role/curfew",
			"RoleSessionName": "curfew", "WebIdentityToken": "eyJ-a-token",
		} {
			if got := r.PostFormValue(name); got != want {
				t.Errorf("%s is %q, want %q", name, got, want)
			}
		}
		fmt.Fprintf(w, `<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleWithWebIdentityResult>
			<SubjectFromWebIdentityToken>s</SubjectFromWebIdentityToken><Credentials><SessionToken>session</SessionToken>
			<SecretAccessKey>key</SecretAccessKey><Expiration>%s</Expiration><AccessKeyId>id</AccessKeyId></Credentials>
			</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>`, now.Add(time.Hour).Format(time.RFC3339))
	})
	env := map[string]string{
		"AWS_WEB_IDENTITY_TOKEN_FILE": token, "AWS_ROLE_ARN": "arn:aws:iam::111122223333:role/curfew", "AWS_ENDPOINT_URL_STS": sts,
	}
	s := from(Config{Region: emulatedRegion}, env, "")
	for _, c := range []struct {
		after time.Duration
		calls int
	}{{0, 1}, {50 * time.Minute, 1}, {56 * time.Minute, 2}} {
		got, err := s.get(t.Context(), now.Add(c.after))
		if want := (credentials{"id", "key", "session", now.Add(time.Hour)}); err != nil || got != want {
			t.Errorf("after %s: %+v, %v", c.after, got, err)
		}
		if calls != c.calls {
			t.Errorf("after %s: STS was asked %d times, want %d", c.after, calls, c.calls)
		}
	}
	env["AWS_ENDPOINT_URL_STS"] = serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, `<ErrorResponse><Error><Code>AccessDenied</Code><Message>eyJ-a-token</Message></Error></ErrorResponse>`)
	})
	_, err := from(Config{Region: emulatedRegion}, env, "").get(t.Context(), now)
	if access.KindOf(err) != access.KindMisconfigured || !strings.Contains(err.Error(), "403") || strings.Contains(err.Error(), "eyJ") {
		t.Errorf("refused: %v", err)
	}
}

// TestInstanceRole asks an emulation of the instance metadata service, version 2: nothing is answered without a token.
func TestInstanceRole(t *testing.T) {
	now := time.Now().UTC().Truncate(time.Second)
	metadata := serve(t, func(w http.ResponseWriter, r *http.Request) {
		authorised := r.Header.Get("X-Aws-Ec2-Metadata-Token") == "metadata-token"
		switch {
		case r.Method == http.MethodPut && r.URL.Path == "/latest/api/token" && r.Header.Get("X-Aws-Ec2-Metadata-Token-Ttl-Seconds") != "":
			fmt.Fprint(w, "metadata-token")
		case !authorised:
			w.WriteHeader(http.StatusUnauthorized)
		case r.URL.Path == "/latest/meta-data/iam/security-credentials/":
			fmt.Fprint(w, "curfew-role")
		case r.URL.Path == "/latest/meta-data/iam/security-credentials/curfew-role":
			_ = json.NewEncoder(w).Encode(map[string]any{
				"Code": "Success", "Type": "AWS-HMAC", "AccessKeyId": "id", "SecretAccessKey": "key", "Token": "session", "Expiration": now.Add(time.Hour),
			})
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	})
	got, err := from(Config{}, nil, metadata).get(t.Context(), now)
	if want := (credentials{"id", "key", "session", now.Add(time.Hour)}); err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
	nowhere := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) })
	for name, s := range map[string]*source{
		"no metadata": from(Config{}, nil, nowhere), "disabled": from(Config{}, map[string]string{"AWS_EC2_METADATA_DISABLED": "true"}, metadata),
	} {
		if _, err := s.get(t.Context(), now); access.KindOf(err) != access.KindMisconfigured || !strings.Contains(err.Error(), "no AWS credentials") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
