package localpeer_test

import (
	"testing"

	"github.com/go-ldap/ldap/v3"

	"github.com/curfewhq/curfew/internal/localpeer"
)

func TestSamba(t *testing.T) {
	s, err := localpeer.StartSamba(t.Context(), localpeer.SambaOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	}()
	conn, err := ldap.DialURL(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if err := conn.Bind(s.AdministratorDN(), "wrong"); !ldap.IsErrorWithCode(err, ldap.LDAPResultInvalidCredentials) {
		t.Errorf("a wrong password: %v", err)
	}
}
