package config

import (
	"encoding"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/curfewhq/curfew/internal/nearmiss"
	"github.com/curfewhq/curfew/internal/secret"
)

// unbuilt is the type of a key that the design knows and that has no effect yet. Writing it is a mistake: a key that
// is ignored would promise what nobody keeps.
type unbuilt struct{}

// decoder fills structs from nodes and notes every mistake on the way. Keys are the fields' JSON names.
type decoder struct {
	c *collector
	// secrets are the references met, to be tried once everything is read.
	secrets []secretAt
}

type secretAt struct {
	node *node
	ref  secret.Ref
}

// refuse notes a mistake at a node and marks it as reported.
func (d *decoder) refuse(n *node, format string, args ...any) {
	n.bad = true
	d.c.add(n.at, format, args...)
}

// decode fills v, which must be settable. where is the path of keys to it, for mistakes; places in lists are left to the
// position.
func (d *decoder) decode(n *node, v reflect.Value, where string) {
	if n.bad {
		return
	}
	if raw, ok := v.Addr().Interface().(**node); ok {
		*raw = n
		return
	}
	if n.kind == kindNothing {
		d.refuse(n, "%s: nothing is written here; want %s", called(where), want(v.Type()))
		return
	}
	if d.decodeText(n, v, where) {
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		d.decodeStructs(n, where, v)
	case reflect.Map:
		d.decodeMap(n, v, where)
	case reflect.Slice:
		d.decodeList(n, v, where)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		d.decode(n, v.Elem(), where)
	default:
		d.decodeScalar(n, v, where)
	}
}

// decodeText serves the types that are written as text of a form of their own. It reports whether v is one.
func (d *decoder) decodeText(n *node, v reflect.Value, where string) bool {
	target := v.Addr().Interface()
	unmarshaler, isText := target.(encoding.TextUnmarshaler)
	duration, isDuration := target.(*time.Duration)
	if !isText && !isDuration {
		return false
	}
	if n.kind != kindText && (!isDuration || n.kind != kindInteger) {
		d.mismatch(n, v, where)
		return true
	}
	if ref, ok := target.(*secret.Ref); ok {
		d.decodeSecret(n, ref, where)
		return true
	}
	n.public = true
	if isDuration {
		parsed, err := parseDuration(n.text)
		if err != nil {
			d.refuse(n, "%s: %v", where, err)
		}
		*duration = parsed
		return true
	}
	if err := unmarshaler.UnmarshalText([]byte(n.text)); err != nil {
		d.refuse(n, "%s: %v", where, err)
	}
	return true
}

// decodeSecret takes a reference. A relative file is meant relative to the configuration, wherever the process runs.
func (d *decoder) decodeSecret(n *node, ref *secret.Ref, where string) {
	parsed, err := secret.ParseRef(n.text)
	if err != nil {
		d.refuse(n, "%s: %v", where, err)
		return
	}
	n.public = true
	if path, ok := strings.CutPrefix(string(parsed), "file:"); ok {
		parsed = secret.Ref("file:" + n.at.src.resolve(path))
	}
	*ref = parsed
	d.secrets = append(d.secrets, secretAt{n, parsed})
}

// decodeStructs shares the keys of one mapping out among structs: a connector's common part and its type's.
func (d *decoder) decodeStructs(n *node, where string, structs ...reflect.Value) {
	if n.kind != kindMapping {
		d.refuse(n, "%s is %s: want a mapping with %s", called(where), n.kind, strings.Join(keysOf(structs), ", "))
		return
	}
	for _, e := range n.entries {
		field, ok := fieldOf(structs, e.key.text)
		e.key.public = ok || keyLike.MatchString(e.key.text)
		switch {
		case !ok:
			n.incomplete = true
			d.unknownKey(e.key, where, keysOf(structs))
		case field.Type() == reflect.TypeFor[unbuilt]():
			e.value.bad = true
			d.c.add(e.key.at, "%s is not built yet: remove it", join(where, e.key.text))
		default:
			d.decode(e.value, field, join(where, e.key.text))
		}
	}
}

// keyLike is what a misspelt key looks like. Something else in the place of a key may be a secret that slipped there.
var keyLike = regexp.MustCompile(`^[A-Za-z_-]{1,40}$`)

// unknownKey names the key, the near miss and, if there is none, what would be known.
func (d *decoder) unknownKey(key *node, where string, known []string) {
	name := "such key as this"
	if keyLike.MatchString(key.text) {
		name = "key " + quote(key.text)
	}
	d.c.add(key.at, "%s has no %s%s", called(where), name, d.nearOr(key.text, known, "it has"))
}

func (d *decoder) decodeMap(n *node, v reflect.Value, where string) {
	if n.kind != kindMapping {
		d.refuse(n, "%s is %s: want %s", where, n.kind, want(v.Type()))
		return
	}
	m := reflect.MakeMapWithSize(v.Type(), len(n.entries))
	for _, e := range n.entries {
		if e.value.kind == kindNothing && !keyLike.MatchString(e.key.text) {
			d.refuse(e.key, "%s has a key with nothing behind it: want %s", called(where), want(v.Type()))
			continue
		}
		e.key.public = true
		elem := reflect.New(v.Type().Elem()).Elem()
		d.decode(e.value, elem, join(where, e.key.text))
		m.SetMapIndex(reflect.ValueOf(e.key.text).Convert(v.Type().Key()), elem)
	}
	v.Set(m)
}

func (d *decoder) decodeList(n *node, v reflect.Value, where string) {
	if n.kind != kindList {
		d.mismatch(n, v, where)
		return
	}
	list := reflect.MakeSlice(v.Type(), len(n.items), len(n.items))
	for i, item := range n.items {
		d.decode(item, list.Index(i), where)
	}
	v.Set(list)
}

// mismatch notes that a node is of the wrong kind. Text is shown only where text of no secret was expected; numbers and
// truth values are shown always.
func (d *decoder) mismatch(n *node, v reflect.Value, where string) {
	isScalar := n.kind != kindMapping && n.kind != kindList
	isListOfText := v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.String && v.Type().Elem() != reflect.TypeFor[secret.Ref]()
	hint := ""
	switch {
	case isListOfText && isScalar:
		hint = "; put [ ] round it"
	case v.Kind() == reflect.String && isScalar:
		hint = "; put it in quotes"
	}
	n.public = isScalar && (n.kind != kindText || isListOfText)
	d.refuse(n, "%s is %s: want %s%s", called(where), n.kind, want(v.Type()), hint)
}

// join is the path of a key in a mapping.
func join(where, key string) string {
	const most = 40
	if utf8.RuneCountInString(key) > most || !utf8.ValidString(key) || strings.ContainsFunc(key, func(r rune) bool { return !unicode.IsPrint(r) }) {
		key = quote(key)
	}
	return strings.TrimPrefix(where+"."+key, ".")
}

// called is a path as the subject of a sentence.
func called(where string) string {
	if where == "" {
		return "the configuration"
	}
	return where
}

// nearOr is the end of a sentence about an unknown name: the near miss, or the first few that would be known.
func (d *decoder) nearOr(word string, known []string, intro string) string {
	if d.c.full() {
		return ""
	}
	if near := nearmiss.Find(word, slices.Values(known)); near != "" {
		return "; did you mean " + quote(near) + "?"
	}
	const most = 12
	if len(known) == 0 {
		return "; none is configured"
	}
	list := strings.Join(known[:min(len(known), most)], ", ")
	if len(known) > most {
		list += ", …"
	}
	return "; " + intro + " " + list
}

// keysOf are the keys that structs know and that are built, in the order of their fields.
func keysOf(structs []reflect.Value) []string {
	var keys []string
	for _, s := range structs {
		for i := range s.NumField() {
			name := jsonName(s.Type().Field(i))
			if name != "" && s.Field(i).Type() != reflect.TypeFor[unbuilt]() {
				keys = append(keys, name)
			}
		}
	}
	return keys
}

// fieldOf is the field behind a key in the first struct that has it.
func fieldOf(structs []reflect.Value, key string) (reflect.Value, bool) {
	for _, s := range structs {
		for i := range s.NumField() {
			if name := jsonName(s.Type().Field(i)); name != "" && name == key {
				return s.Field(i), true
			}
		}
	}
	return reflect.Value{}, false
}

// jsonName is the key of a field; empty for a field that no file may set.
func jsonName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	if !f.IsExported() || name == "-" {
		return ""
	}
	return name
}
