package all_test

import (
	"encoding"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew/internal/all"
	"github.com/curfewhq/curfew/internal/connector/memory"
)

func TestConnectorTypesAreSortedAndNamedOnce(t *testing.T) {
	var names []string
	for _, typ := range all.ConnectorTypes() {
		names = append(names, typ.Name)
	}
	if len(names) == 0 || !slices.IsSorted(names) || len(slices.Compact(slices.Clone(names))) != len(names) {
		t.Errorf("the list is %q; want every name once, in order", names)
	}
	if slices.Contains(names, memory.Type().Name) {
		t.Errorf("the list has %q, which is for tests", memory.Type().Name)
	}
	word := regexp.MustCompile(`^[a-z][a-z0-9-]*$`)
	for _, name := range names {
		if !word.MatchString(name) {
			t.Errorf("type %q is not written like the others", name)
		}
	}
}

// TestConnectorConfigsCanBeWritten holds what package config asks of a type: a pointer to a struct whose fields are of
// kinds that a file can fill, under keys that no other connector key has.
func TestConnectorConfigsCanBeWritten(t *testing.T) {
	common := []string{"type", "labels", "timeout", "concurrency", "rate", "reconcile", "account"}
	for _, typ := range all.ConnectorTypes() {
		t.Run(typ.Name, func(t *testing.T) {
			pointer := reflect.TypeOf(typ.New())
			if pointer.Kind() != reflect.Pointer || pointer.Elem().Kind() != reflect.Struct {
				t.Fatalf("the configuration is a %s, want a pointer to a struct", pointer)
			}
			for field := range pointer.Elem().Fields() {
				if slices.Contains(common, jsonKey(field)) {
					t.Errorf("%s takes the key %q from every connector", field.Name, jsonKey(field))
				}
			}
			checkWritable(t, pointer.Elem(), typ.Name)
			first, second := typ.New(), typ.New()
			if reflect.ValueOf(first).Pointer() == reflect.ValueOf(second).Pointer() {
				t.Error("New returns the same configuration twice")
			}
		})
	}
}

func jsonKey(f reflect.StructField) string {
	key, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return key
}

func checkWritable(t *testing.T, typ reflect.Type, where string) {
	t.Helper()
	if typ == reflect.TypeFor[time.Duration]() || reflect.PointerTo(typ).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
		return
	}
	switch typ.Kind() {
	case reflect.Struct:
		for field := range typ.Fields() {
			switch key := jsonKey(field); {
			case !field.IsExported():
			case key == "" || field.Anonymous:
				t.Errorf("%s.%s has no key; give it a json tag", where, field.Name)
			case key != "-":
				checkWritable(t, field.Type, where+"."+key)
			}
		}
	case reflect.Map:
		if typ.Key().Kind() != reflect.String {
			t.Errorf("%s is keyed by %s; a file has keys of text only", where, typ.Key())
		}
		checkWritable(t, typ.Elem(), where)
	case reflect.Slice, reflect.Pointer:
		checkWritable(t, typ.Elem(), where)
	case reflect.String, reflect.Bool, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Float32, reflect.Float64:
	default:
		t.Errorf("%s is a %s, which no file can fill", where, typ)
	}
}
