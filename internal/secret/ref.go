package secret

import (
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
)

// Ref says where a secret is: "env:NAME" or "file:PATH". A configuration never holds the secret itself.
type Ref string

// maxSecret bounds what a reference may lead to, in bytes.
const maxSecret = 64 << 10

var envName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// ErrLiteral means that a text is not a reference. It does not repeat the text, which may be a secret.
var ErrLiteral = errors.New("a secret is never written here itself: write env:NAME or file:PATH")

// ParseRef checks the form of a reference. Its errors never repeat the text.
func ParseRef(s string) (Ref, error) {
	scheme, rest, ok := strings.Cut(s, ":")
	switch {
	case ok && scheme == "env" && envName.MatchString(rest):
	case ok && scheme == "file" && rest != "" && !strings.ContainsRune(rest, 0):
	case ok && scheme == "env":
		return "", errors.New("env: wants the name of an environment variable, as in env:ORDERS_DSN")
	case ok && scheme == "file":
		return "", errors.New("file: wants a path, as in file:/etc/curfew/orders.dsn")
	default:
		return "", ErrLiteral
	}
	return Ref(s), nil
}

// UnmarshalText makes a field of type Ref refuse literal secrets.
func (r *Ref) UnmarshalText(b []byte) error {
	v, err := ParseRef(string(b))
	if err != nil {
		return err
	}
	*r = v
	return nil
}

// Resolve fetches the secret. One trailing line break of a file is not part of it. An empty secret is an error.
func (r Ref) Resolve() (string, error) {
	scheme, rest, _ := strings.Cut(string(r), ":")
	var value string
	switch scheme {
	case "env":
		value = os.Getenv(rest)
	case "file":
		f, err := os.Open(rest)
		if err != nil {
			return "", fmt.Errorf("secret %s: %w", r, err)
		}
		defer f.Close()
		b, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
		if err != nil {
			return "", fmt.Errorf("secret %s: %w", r, err)
		}
		value = strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r")
	default:
		return "", ErrLiteral
	}
	switch {
	case value == "":
		return "", fmt.Errorf("secret %s is empty or not set", r)
	case len(value) > maxSecret:
		return "", fmt.Errorf("secret %s is longer than %d bytes", r, maxSecret)
	}
	return value, nil
}
