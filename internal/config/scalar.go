package config

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/curfewhq/curfew/internal/secret"
)

// decodeScalar fills strings, booleans and numbers. Nothing is converted: a number is not text, and "yes" is not true.
func (d *decoder) decodeScalar(n *node, v reflect.Value, where string) {
	n.public = true
	switch {
	case v.Kind() == reflect.String && n.kind == kindText:
		v.SetString(n.text)
	case v.Kind() == reflect.Bool && n.kind == kindBool:
		v.SetBool(n.value.(bool))
	case v.CanInt() && n.kind == kindInteger:
		i := n.value.(int64)
		if v.OverflowInt(i) {
			d.refuse(n, "%s is too large a number", where)
			return
		}
		v.SetInt(i)
	case v.CanUint() && n.kind == kindInteger:
		i := n.value.(int64)
		if i < 0 || v.OverflowUint(uint64(i)) {
			d.refuse(n, "%s: want a number from 0 up that is not too large", where)
			return
		}
		v.SetUint(uint64(i))
	case v.CanFloat() && n.kind == kindInteger:
		v.SetFloat(float64(n.value.(int64)))
	case v.CanFloat() && n.kind == kindDecimal:
		f := n.value.(float64)
		if math.IsNaN(f) || math.IsInf(f, 0) {
			d.refuse(n, "%s: want an ordinary number", where)
			return
		}
		v.SetFloat(f)
	default:
		d.mismatch(n, v, where)
	}
}

// want says what a value of a type looks like, for mistakes.
func want(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[secret.Ref]():
		return "env:NAME or file:PATH"
	case reflect.TypeFor[time.Duration]():
		return wantDuration
	}
	switch t.Kind() {
	case reflect.Pointer:
		return want(t.Elem())
	case reflect.Struct, reflect.Map:
		return "a mapping (key: value)"
	case reflect.Slice:
		return "a list, as in [a, b]"
	case reflect.Bool:
		return "true or false"
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.String:
		return "text"
	}
	if t.Kind() >= reflect.Int && t.Kind() <= reflect.Uint64 {
		return "a whole number"
	}
	return "something else"
}

const wantDuration = "a duration such as 4h, 30m or 90s"

var (
	looseDuration = regexp.MustCompile(`^([0-9]{1,6}) *([A-Za-z]+)$`)
	bareNumber    = regexp.MustCompile(`^[0-9]{1,6}$`)
)

// parseDuration reads Go's notation, and for the usual slips says what was meant.
func parseDuration(s string) (time.Duration, error) {
	if d, err := time.ParseDuration(s); err == nil && len(s) <= 64 {
		return d, nil
	}
	if bareNumber.MatchString(s) {
		return 0, fmt.Errorf("%s has no unit: write %sh, %sm or %ss", s, s, s, s)
	}
	if m := looseDuration.FindStringSubmatch(s); m != nil {
		if meant := unitMeant(m[1], strings.ToLower(m[2])); meant != "" {
			return 0, fmt.Errorf("%s is no duration; did you mean %s?", quote(s), quote(meant))
		}
	}
	return 0, fmt.Errorf("%s is no duration; want %s", quote(s), wantDuration)
}

// unitMeant is a loosely written duration in Go's notation; empty when the unit is not known.
func unitMeant(number, unit string) string {
	switch strings.TrimSuffix(unit, "s") {
	case "h", "hr", "hour":
		return number + "h"
	case "m", "min", "minute":
		return number + "m"
	case "", "sec", "second":
		return number + "s"
	}
	hours, err := strconv.Atoi(number)
	switch strings.TrimSuffix(unit, "s") {
	case "d", "day":
		hours *= 24
	case "w", "week":
		hours *= 7 * 24
	default:
		err = errors.New("unknown unit")
	}
	if err != nil {
		return ""
	}
	return strconv.Itoa(hours) + "h"
}

// quote is text as mistakes repeat it: quoted, escaped and bounded.
func quote(s string) string {
	const most = 80
	if utf8.RuneCountInString(s) > most {
		s = string([]rune(s)[:most]) + "…"
	}
	return strconv.Quote(s)
}
