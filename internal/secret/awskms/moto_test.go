package awskms_test

import (
	"context"
	"strings"
	"testing"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/localpeer"
	"github.com/curfewhq/curfew/internal/secret"
	"github.com/curfewhq/curfew/internal/secret/awskms"
)

// TestMoto runs against an emulation that others have made: what it takes for KMS is not our own reading of it.
func TestMoto(t *testing.T) {
	moto, err := localpeer.StartMoto(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := moto.Stop(); err != nil {
			t.Error(err)
		}
	})
	t.Setenv("AWS_ACCESS_KEY_ID", "testing")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "testing")
	arn, err := moto.CreateKey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w, err := awskms.Open(awskms.Config{Key: arn, Endpoint: moto.URL()})
	if err != nil {
		t.Fatal(err)
	}
	owner := secret.Owner{Installation: "i1", Tenant: "default"}
	kept, err := secret.NewKeys(t.Context(), w, owner, 1)
	if err != nil {
		t.Fatal(err)
	}
	source := func(context.Context) ([]secret.WrappedKeys, error) { return []secret.WrappedKeys{kept}, nil }
	s, err := secret.OpenSealer(t.Context(), w, owner, source)
	if err != nil {
		t.Fatal(err)
	}
	place := secret.Place{Table: "plans", Row: "gr_1", Column: "sealed", Version: 1}
	sealed, err := s.Seal(place, []byte("the plan"))
	if err != nil {
		t.Fatal(err)
	}
	again, err := secret.OpenSealer(t.Context(), w, owner, source)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := again.Open(place, sealed); err != nil || string(got) != "the plan" {
		t.Errorf("Open = %q, %v", got, err)
	}

	for name, other := range map[string]secret.Owner{
		"tenant": {Installation: "i1", Tenant: "other"}, "installation": {Installation: "i2", Tenant: "default"},
	} {
		_, err := secret.OpenSealer(t.Context(), w, other, source)
		if access.KindOf(err) != access.KindMisconfigured || !strings.Contains(err.Error(), "InvalidCiphertextException") {
			t.Errorf("the keys of another %s open: %v", name, err)
		}
	}
	missing, err := awskms.Open(awskms.Config{Key: strings.Replace(arn, "key/", "key/0", 1), Endpoint: moto.URL()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := secret.NewKeys(t.Context(), missing, owner, 1); access.KindOf(err) != access.KindMisconfigured || !strings.Contains(err.Error(), "NotFoundException") {
		t.Errorf("a key that is not there: %v", err)
	}
}
