package secret

import (
	"cmp"
	"encoding/json"
	"errors"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/curfewhq/curfew/internal/access"
)

const (
	// redacted stands where a secret stood.
	redacted = "[secret]"
	// minRedacted is the shortest text that is taken out, in bytes: shorter ones stand in every other word.
	minRedacted = 4
)

// Redactor takes secrets out of what others say: a target may repeat in an error what it was told. It knows the secrets
// that it was made with, the passwords inside those that are addresses, and each of them as it stands in URLs and in
// quotes. Its zero value knows none. It is safe for concurrent use.
type Redactor struct{ replacer *strings.Replacer }

// NewRedactor makes a Redactor of these secrets.
func NewRedactor(secrets ...string) Redactor {
	var forms []string
	for _, s := range secrets {
		for _, part := range append(passwords(s), s) {
			if len(part) >= minRedacted {
				forms = append(forms, part, url.QueryEscape(part), url.PathEscape(part), quoted(part))
			}
		}
	}
	if len(forms) == 0 {
		return Redactor{}
	}
	// Where two begin at the same place the longer one is meant.
	slices.SortFunc(forms, func(a, b string) int { return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(a, b)) })
	forms = slices.Compact(forms)
	pairs := make([]string, 0, 2*len(forms))
	for _, f := range forms {
		pairs = append(pairs, f, redacted)
	}
	return Redactor{strings.NewReplacer(pairs...)}
}

// quoted is a text as it stands between the quotes of JSON.
func quoted(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		return s
	}
	return string(b[1 : len(b)-1])
}

// keyword finds passwords in connection strings of the form key=value.
var keyword = regexp.MustCompile(`(?i)\b(?:ssl)?password\s*=\s*('(?:[^'\\]|\\.)*'|[^\s&]+)`)

// passwords finds those inside an address, whatever its scheme: USER:PASSWORD@ and password=. They come as they are
// written and as they are meant.
func passwords(address string) []string {
	var found []string
	if _, rest, ok := strings.Cut(address, "://"); ok {
		authority, _, _ := strings.Cut(rest, "/")
		if at := strings.LastIndexByte(authority, '@'); at >= 0 {
			_, password, _ := strings.Cut(authority[:at], ":")
			found = append(found, password)
		}
	}
	for _, m := range keyword.FindAllStringSubmatch(address, -1) {
		found = append(found, m[1], strings.NewReplacer(`\'`, `'`, `\\`, `\`).Replace(strings.Trim(m[1], "'")))
	}
	for _, written := range found {
		for _, unescape := range []func(string) (string, error){url.PathUnescape, url.QueryUnescape} {
			if meant, err := unescape(written); err == nil {
				found = append(found, meant)
			}
		}
	}
	return found
}

// Text is s without the secrets.
func (r Redactor) Text(s string) string {
	if r.replacer == nil {
		return s
	}
	return r.replacer.Replace(s)
}

// Error is err without the secrets. One in which there is none is returned as it is; of another one only the kind and the
// texts are left, since whatever it wraps could be asked for its own.
func (r Redactor) Error(err error) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	clean := r.Text(text)
	if clean == text {
		return err
	}
	e, ok := errors.AsType[*access.Error](err)
	if !ok {
		return errors.New(clean)
	}
	message := r.Text(e.Message)
	if clean == message {
		return access.Wrap(e.Kind, nil, message)
	}
	return access.Wrap(e.Kind, errors.New(strings.TrimPrefix(clean, message+": ")), message)
}
