package awskms

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/secret"
)

// credentials are who asks.
type credentials struct {
	accessKeyID, secretAccessKey, sessionToken string
	// expires is zero for those that do not.
	expires time.Time
}

// early is how long before their end credentials are replaced.
const early = 5 * time.Minute

// source finds credentials, and keeps those that expire until shortly before.
type source struct {
	config Config
	client *http.Client
	// getenv is the environment, and metadata the address of the instance's metadata service.
	getenv   func(string) string
	metadata string

	mu   sync.Mutex
	held credentials
}

func newSource(c Config, client *http.Client) *source {
	return &source{config: c, client: client, getenv: os.Getenv, metadata: "http://169.254.169.254"}
}

// get looks in the order of AWS's own programs: what is configured, the environment, a web identity, the instance's role.
func (s *source) get(ctx context.Context, now time.Time) (credentials, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held.accessKeyID != "" && now.Before(s.held.expires.Add(-early)) {
		return s.held, nil
	}
	c, err := s.find(ctx)
	if err == nil && !c.expires.IsZero() {
		s.held = c
	}
	return c, err
}

func (s *source) find(ctx context.Context) (credentials, error) {
	switch {
	case s.config.AccessKeyID != "":
		return s.static()
	case s.getenv("AWS_ACCESS_KEY_ID") != "":
		return credentials{
			accessKeyID: s.getenv("AWS_ACCESS_KEY_ID"), secretAccessKey: s.getenv("AWS_SECRET_ACCESS_KEY"),
			sessionToken: s.getenv("AWS_SESSION_TOKEN"),
		}, nil
	case s.getenv("AWS_WEB_IDENTITY_TOKEN_FILE") != "":
		return s.webIdentity(ctx)
	}
	c, err := s.instance(ctx)
	if err != nil {
		return c, access.Wrap(access.KindMisconfigured, err,
			"there are no AWS credentials: none are configured (access_key_id), none are in the environment, and no instance metadata answers")
	}
	return c, nil
}

func (s *source) static() (c credentials, err error) {
	if c.accessKeyID, err = s.config.AccessKeyID.Resolve(); err != nil {
		return credentials{}, err
	}
	c.secretAccessKey, err = s.config.SecretAccessKey.Resolve()
	return c, err
}

// webIdentity trades the token that the platform put there for a role's credentials (STS AssumeRoleWithWebIdentity, which
// is not signed).
func (s *source) webIdentity(ctx context.Context) (credentials, error) {
	token, err := secret.Ref("file:" + s.getenv("AWS_WEB_IDENTITY_TOKEN_FILE")).Resolve()
	if err != nil {
		return credentials{}, fmt.Errorf("AWS_WEB_IDENTITY_TOKEN_FILE: %w", err)
	}
	session := s.getenv("AWS_ROLE_SESSION_NAME")
	if session == "" {
		session = "curfew"
	}
	form := url.Values{
		"Action": {"AssumeRoleWithWebIdentity"}, "Version": {"2011-06-15"}, "RoleArn": {s.getenv("AWS_ROLE_ARN")},
		"RoleSessionName": {session}, "WebIdentityToken": {token},
	}
	address := s.getenv("AWS_ENDPOINT_URL_STS")
	if address == "" {
		address = "https://sts." + s.config.region() + "." + domain(s.config.region())
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address+"/", strings.NewReader(form.Encode()))
	if err != nil {
		return credentials{}, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	status, content, err := send(s.client, r)
	if err != nil {
		return credentials{}, fmt.Errorf("STS: %w", err)
	}
	var answer struct {
		Credentials struct {
			AccessKeyID     string `xml:"AccessKeyId"`
			SecretAccessKey string
			SessionToken    string
			Expiration      time.Time
		} `xml:"AssumeRoleWithWebIdentityResult>Credentials"`
	}
	got := &answer.Credentials
	if err := xml.Unmarshal(content, &answer); status != http.StatusOK || err != nil || got.AccessKeyID == "" {
		return credentials{}, access.Errorf(access.KindMisconfigured,
			"AWS STS gives no credentials for the web identity (status %d): look at AWS_ROLE_ARN, and at the trust policy of that role", status)
	}
	return credentials{got.AccessKeyID, got.SecretAccessKey, got.SessionToken, got.Expiration}, nil
}

// instance asks the instance's metadata service for the credentials of its role (IMDSv2).
func (s *source) instance(ctx context.Context) (credentials, error) {
	if strings.EqualFold(s.getenv("AWS_EC2_METADATA_DISABLED"), "true") {
		return credentials{}, errors.New("AWS_EC2_METADATA_DISABLED is set")
	}
	token, err := s.ask(ctx, http.MethodPut, "/latest/api/token", "X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "300")
	if err != nil {
		return credentials{}, err
	}
	const roles = "/latest/meta-data/iam/security-credentials/"
	role, err := s.ask(ctx, http.MethodGet, roles, "X-Aws-Ec2-Metadata-Token", string(token))
	if err != nil {
		return credentials{}, err
	}
	name, _, _ := strings.Cut(string(role), "\n")
	text, err := s.ask(ctx, http.MethodGet, roles+url.PathEscape(name), "X-Aws-Ec2-Metadata-Token", string(token))
	if err != nil {
		return credentials{}, err
	}
	var got struct {
		Code            string
		AccessKeyID     string `json:"AccessKeyId"`
		SecretAccessKey string
		Token           string
		Expiration      time.Time
	}
	if err := json.Unmarshal(text, &got); err != nil || got.AccessKeyID == "" {
		return credentials{}, fmt.Errorf("the instance has no credentials for the role %.64q: %.64q", name, got.Code)
	}
	return credentials{got.AccessKeyID, got.SecretAccessKey, got.Token, got.Expiration}, nil
}

// metadataLimit bounds a call of the metadata service, which is a few milliseconds away or not there at all.
const metadataLimit = time.Second

func (s *source) ask(ctx context.Context, method, path, header, value string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, metadataLimit)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, s.metadata+path, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set(header, value)
	status, content, err := send(s.client, r)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("instance metadata answers %s %s with %d", method, path, status)
	}
	return content, err
}
