package ldap

import (
	"testing"

	protocol "github.com/go-ldap/ldap/v3"
)

// group makes a group with a member, and returns its name as the directory spells it.
func (d *domain) group(t *testing.T, name, unit, member string) string {
	t.Helper()
	dn := "CN=" + protocol.EscapeDN(name) + "," + unit
	r := protocol.NewAddRequest(dn, nil)
	r.Attribute("objectClass", []string{"group"})
	r.Attribute("groupType", []string{globalGroup})
	r.Attribute("member", []string{member})
	if err := d.root.Add(r); err != nil {
		t.Fatalf("add %s: %v", dn, err)
	}
	return normal(t, d.root, dn)
}

// On Active Directory the driver tells of groups in groups, in a cycle too, and of one whose members may not be seen by what
// its members say.
func TestNestedGroupsOnActiveDirectory(t *testing.T) {
	d := startDomain(t)
	driver := d.open(t, d.URL())
	wantImplied(t, implied(t, driver, "read"), "")
	const groups = "OU=groups," + adSuffix
	staff := d.group(t, "staff", groups, adReaders)
	odd := d.group(t, "O'Brien (all)#!", groups, staff)
	everybody := d.group(t, "everybody", groups, odd)
	r := protocol.NewModifyRequest(staff, nil)
	r.Add("member", []string{everybody})
	if err := d.root.Modify(r); err != nil {
		t.Fatal(err)
	}
	all := []string{staff, odd, everybody}
	wantImplied(t, implied(t, driver, "read"), "", all...)
	wantImplied(t, implied(t, driver, "admin"), "", all...)

	// Their members may not be read: they are known by what their members say they are in.
	for _, dn := range all {
		d.tool(t, "dsacl", "set", "--objectdn="+dn, "--sddl=(OD;;RP;"+memberGUID+";;"+d.sid+")")
	}
	wantImplied(t, implied(t, driver, "read"), "", all...)

	// One that is in a unit into which Curfew may not look is a name, and what it is in is hidden.
	const vault = "OU=vault," + adSuffix
	unit := protocol.NewAddRequest(vault, nil)
	unit.Attribute("objectClass", []string{"organizationalUnit"})
	if err := d.root.Add(unit); err != nil {
		t.Fatal(err)
	}
	secret := d.group(t, "secret", vault, everybody)
	d.group(t, "above", vault, secret)
	d.tool(t, "dsacl", "set", "--objectdn="+vault, "--sddl=(D;CI;GA;;;"+d.sid+")")
	wantImplied(t, implied(t, driver, "read"), "Of 1 of these groups", append(all, secret)...)
}
