package sqlstore

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// maxValueBytes bounds every single value; the widest honest one is the text of a policy set.
const maxValueBytes = 16 << 20

// micros is a time as a parameter: NULL for the zero time.
func micros(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return access.Micros(t)
}

// timeColumn scans what micros wrote.
type timeColumn struct{ dst *time.Time }

// Scan implements sql.Scanner.
func (c timeColumn) Scan(src any) error {
	us, err := integer(src)
	if err != nil {
		return err
	}
	*c.dst = access.FromMicros(us)
	return nil
}

// durationColumn scans a duration written as Duration.Microseconds.
type durationColumn struct{ dst *time.Duration }

// Scan implements sql.Scanner.
func (c durationColumn) Scan(src any) error {
	us, err := integer(src)
	if err != nil {
		return err
	}
	*c.dst = time.Duration(us) * time.Microsecond
	return nil
}

// principalColumn scans the text of a principal, or of none.
type principalColumn struct{ dst *access.PrincipalID }

// Scan implements sql.Scanner.
func (c principalColumn) Scan(src any) error {
	switch v := src.(type) {
	case string:
		return c.dst.UnmarshalText([]byte(v))
	case []byte:
		return c.dst.UnmarshalText(v)
	default:
		return fmt.Errorf("a principal is a text, and this is %T", src)
	}
}

// countColumn scans a number.
type countColumn struct{ dst *int }

// Scan implements sql.Scanner.
func (c countColumn) Scan(src any) error {
	n, err := integer(src)
	*c.dst = int(n)
	return err
}

func integer(src any) (int64, error) {
	switch v := src.(type) {
	case nil:
		return 0, nil
	case int64:
		return v, nil
	}
	return 0, fmt.Errorf("want an integer, the database has %T", src)
}

// bytesOrNull is NULL for no bytes, so that nil and empty are one.
func bytesOrNull(b []byte) any {
	if len(b) == 0 {
		return nil
	}
	return b
}

// hashOrNull is NULL for the hash of nothing.
func hashOrNull(h store.SecretHash) any {
	if h == (store.SecretHash{}) {
		return nil
	}
	return h[:]
}

// textOrNull is NULL for the empty text, which partial indexes leave out.
func textOrNull[T ~string](s T) any {
	if s == "" {
		return nil
	}
	return string(s)
}

// entitlementsText is a list of entitlements as JSON. One that would not parse when read back is refused.
func entitlementsText(list []access.Entitlement) (string, error) {
	for _, e := range list {
		if err := e.Validate(); err != nil {
			return "", access.Wrap(access.KindInvalid, err, "An entitlement cannot be stored as it stands.")
		}
	}
	return jsonText(list)
}

// paramsText is a map of parameters as JSON. The encoder would replace what is not UTF-8, so that is refused.
func paramsText(params map[string]string) (string, error) {
	for k, v := range params {
		if err := errors.Join(checkText(k), checkText(v)); err != nil {
			return "", access.Wrap(access.KindInvalid, err, "A parameter cannot be stored as it stands.")
		}
	}
	return jsonText(params)
}

func jsonText(v any) (string, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return "", access.Wrap(access.KindInvalid, err, "This cannot be stored as JSON.")
	}
	return string(b), nil
}

// jsonColumn scans what jsonText wrote.
type jsonColumn struct{ dst any }

// Scan implements sql.Scanner.
func (c jsonColumn) Scan(src any) error {
	s, ok := src.(string)
	if !ok {
		return fmt.Errorf("want JSON text, the database has %T", src)
	}
	if s == "null" {
		return nil // nothing, as most parameters are
	}
	return json.Unmarshal([]byte(s), c.dst)
}

// checkValues refuses parameters that not every database keeps as they are.
func checkValues(args []any) error {
	for i, arg := range args {
		v := reflect.ValueOf(arg)
		var err error
		switch {
		case v.Kind() == reflect.String:
			err = checkText(v.String())
		case v.Kind() == reflect.Slice && v.Len() > maxValueBytes:
			err = fmt.Errorf("%d bytes are more than %d", v.Len(), maxValueBytes)
		}
		if err != nil {
			return access.Wrap(access.KindInvalid, fmt.Errorf("parameter $%d: %w", i+1, err),
				"The store refuses this text: it is too long, or has a NUL byte or is not UTF-8.")
		}
	}
	return nil
}

func checkText(s string) error {
	switch {
	case len(s) > maxValueBytes:
		return fmt.Errorf("%d bytes are more than %d", len(s), maxValueBytes)
	case strings.IndexByte(s, 0) >= 0:
		return errors.New("a NUL byte in text")
	case !utf8.ValidString(s):
		return errors.New("text that is not UTF-8")
	}
	return nil
}
