package audit_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/audit"
)

// required are the attributes without which OCSF 1.5.0 takes an event for none, with their JSON types: those of the base event
// and the category, and those of each class. This list was written by hand from the published definitions of the classes; it is
// not the published schema, which cannot be had here as one document.
var required = map[float64][]string{
	0: {
		"category_uid number", "class_uid number", "activity_id number", "type_uid number", "severity_id number", "time number",
		"metadata object", "metadata.version string", "metadata.product object", "metadata.product.vendor_name string",
	},
	3004: {"entity object"},
	3005: {"user object"},
}

// atLeastOne are the constraints of objects: one of the attributes behind each must be there, where the object is.
var atLeastOne = map[string][]string{
	"actor": {"user", "app_name"}, "user": {"name", "uid"}, "entity": {"name", "uid"},
}

// activities are the values that activity_id may have.
var activities = map[float64]float64{3004: 4, 3005: 4}

func records() (list []audit.Record) {
	kinds := []access.EventKind{
		access.EventRequestSubmitted, access.EventRequestReviewed, access.EventRequestApproved, access.EventRequestDenied, access.EventRequestWithdrawn,
		access.EventRequestLapsed, access.EventGrantScheduled, access.EventGrantActivating, access.EventGrantActive, access.EventGrantRevoking,
		access.EventGrantEnded, access.EventGrantFailed, access.EventGrantExtending, access.EventGrantExtended, access.EventGrantAttested,
		access.EventGrantRemovedOffline, access.EventCredentialIssued, access.EventCredentialFetched, access.EventFindingOpened,
		access.EventFindingRemoved, access.EventFindingAccepted, access.EventFreezeBegun, access.EventFreezeLifted, access.EventStoreRestored,
		access.EventConfigProposed, access.EventConfigApproved, access.EventConfigRejected, access.EventConfigApplied,
		"something.new", "",
	}
	for i, kind := range kinds {
		r := audit.Record{Position: int64(i + 1), Event: example()}
		r.Kind, r.Grant, r.From = kind, "gr_1", "revoking"
		list = append(list, r, r.WithoutPersonal(), audit.Record{Position: int64(i + 1), Event: access.Event{ID: "ev_2", Kind: kind, At: r.At}})
	}
	return list
}

func decoded(t *testing.T, r audit.Record) map[string]any {
	t.Helper()
	text, err := audit.OCSF(r)
	if err != nil {
		t.Fatal(err)
	}
	var event map[string]any
	if err := json.Unmarshal(text, &event); err != nil {
		t.Fatal(err)
	}
	return event
}

func TestOCSFHasWhatIsRequired(t *testing.T) {
	for _, r := range records() {
		event := decoded(t, r)
		class := event["class_uid"].(float64)
		if len(required[class]) == 0 {
			t.Fatalf("%s is of class %v", r.Kind, class)
		}
		for _, attribute := range append(required[0], required[class]...) {
			path, kind, _ := strings.Cut(attribute, " ")
			if got := kindOf(at(event, path)); got != kind {
				t.Errorf("%s: %s is %s, not %s", r.Kind, path, got, kind)
			}
		}
		for name, of := range atLeastOne {
			object, there := event[name].(map[string]any)
			if there && object[of[0]] == nil && object[of[1]] == nil {
				t.Errorf("%s: %s has none of %v: %v", r.Kind, name, of, object)
			}
		}
		activity := event["activity_id"].(float64)
		if activity < 1 || activity > activities[class] || event["type_uid"] != class*100+activity || event["category_uid"] != 3.0 {
			t.Errorf("%s: activity %v of class %v, type %v", r.Kind, activity, class, event["type_uid"])
		}
	}
}

func at(event map[string]any, path string) any {
	first, rest, deeper := strings.Cut(path, ".")
	if !deeper {
		return event[first]
	}
	inner, _ := event[first].(map[string]any)
	return at(inner, rest)
}

func kindOf(v any) string {
	switch v := v.(type) {
	case nil:
		return "not there"
	case float64:
		return "number"
	case map[string]any:
		return "object"
	case string:
		if v == "" {
			return "empty"
		}
		return "string"
	}
	return fmt.Sprint(reflect.TypeOf(v))
}

func TestOCSFOfAGrant(t *testing.T) {
	r := audit.Record{Position: 17, Event: example()}
	r.Kind, r.Grant, r.From, r.To = access.EventGrantActive, "gr_1", "activating", "active"
	event := decoded(t, r)
	delete(event, "unmapped")
	want := map[string]any{
		"category_uid": 3.0, "category_name": "Identity & Access Management", "class_uid": 3005.0, "class_name": "User Access Management",
		"activity_id": 1.0, "activity_name": "Assign Privileges", "type_uid": 300501.0, "type_name": "User Access Management: Assign Privileges",
		"severity_id": 1.0, "severity": "Informational", "status_id": 1.0, "status": "Success", "time": 1_700_000_000_000.0,
		"message": "grant.active orders-db/orders:read activating → active",
		"metadata": map[string]any{
			"version": "1.5.0", "product": map[string]any{"name": "Curfew", "vendor_name": "Curfew"}, "log_name": "audit", "uid": "ev_1",
			"sequence": 17.0, "event_code": "grant.active", "correlation_uid": "req_1", "tenant_uid": "default",
		},
		"actor":      map[string]any{"user": map[string]any{"name": "alice", "uid": "static/alice", "domain": "static"}},
		"user":       map[string]any{"name": "alice", "uid": "static/alice", "domain": "static"},
		"privileges": []any{"read"}, "resources": []any{map[string]any{"name": "orders-db/orders", "uid": "orders-db/orders"}},
	}
	if diff := cmp.Diff(want, event); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for from, want := range map[string]float64{"revoking": 300502, "scheduled": 300403} {
		r.Kind, r.From, r.To = access.EventGrantEnded, from, "ended"
		if got := decoded(t, r)["type_uid"]; got != want {
			t.Errorf("ended from %s: %v, want %v", from, got, want)
		}
	}
}

// An agent is a user of its own type, with the human for whom it acts; who acts on its access is none.
func TestOCSFOfAnAgent(t *testing.T) {
	r := audit.Record{Event: example()}
	r.Kind, r.ActsFor = access.EventGrantActive, access.PrincipalID{Issuer: "static", Subject: "human"}
	r.Subject = access.PrincipalID{Issuer: "static", Subject: "bot"}
	event := decoded(t, r)
	user, _ := event["user"].(map[string]any)
	if user["type_id"] != 99.0 || user["type"] != "agent static/bot for static/human" {
		t.Errorf("the user is %v", user)
	}
	actor, _ := event["actor"].(map[string]any)
	if by, _ := actor["user"].(map[string]any); by["name"] != "alice" || by["type"] != nil {
		t.Errorf("the actor is %v", actor)
	}
	if whole, _ := event["unmapped"].(map[string]any); whole["acts_for"] != "static/human" {
		t.Errorf("the whole entry is %v", whole)
	}
}

func TestOCSFWithoutPersonalData(t *testing.T) {
	for _, r := range records() {
		text, err := audit.OCSF(r.WithoutPersonal())
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "alice") || strings.Contains(string(text), "order 17") {
			t.Errorf("%s: %s", r.Kind, text)
		}
	}
}

// A version of the configuration is an entity by its digest: it comes, is agreed to and applied, or goes.
func TestOCSFConfigurations(t *testing.T) {
	for kind, activity := range map[access.EventKind]string{
		access.EventConfigProposed: "Create", access.EventConfigApproved: "Update", access.EventConfigRejected: "Delete", access.EventConfigApplied: "Update",
	} {
		event := decoded(t, audit.Record{Position: 1, Event: access.Event{ID: "ev_1", Kind: kind, Detail: map[string]string{"config": "5b498ef7"}}})
		entity, _ := event["entity"].(map[string]any)
		if event["activity_name"] != activity || entity["type"] != "config" || entity["uid"] != "5b498ef7" {
			t.Errorf("%s: %v of %v, want %s", kind, event["activity_name"], entity, activity)
		}
	}
}
