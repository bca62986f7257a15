package ldap

import (
	"fmt"
	"testing"

	protocol "github.com/go-ldap/ldap/v3"

	"github.com/curfewhq/curfew/internal/connector"
)

// thousands is more than Active Directory tells of an attribute at once (MaxValRange, 1,500).
const thousands = 1600

// Of a group of thousands Active Directory tells 1,500 members at a time (MS-ADTS 3.1.1.3.1.3.3); who asks for one member is
// answered all the same. So the driver, which never reads the list, sees, makes and ends memberships in such a group.
func TestGroupOfThousands(t *testing.T) {
	d := startDomain(t)
	r := protocol.NewModifyRequest(adReaders, nil)
	var names []string
	for i := range thousands {
		dn := fmt.Sprintf("CN=member-%04d,OU=groups,%s", i, adSuffix)
		add := protocol.NewAddRequest(dn, nil)
		add.Attribute("objectClass", []string{"contact"})
		if err := d.root.Add(add); err != nil {
			t.Fatal(err)
		}
		names = append(names, dn)
	}
	r.Add("member", names)
	if err := d.root.Modify(r); err != nil {
		t.Fatal(err)
	}
	if told := d.told(t, adReaders); told != 1500 {
		t.Fatalf("the first range holds %d members, want 1500", told)
	}
	driver := d.open(t, d.URL())
	o := order("read")
	o.Account = adHostile
	plan := give(t, driver, o)
	wantState(t, driver, o, plan, connector.Present)
	revoke(t, driver, o, plan)
	wantState(t, driver, o, plan, connector.Absent)
}

// told is how many members of a group its first range holds. Windows tells a range to who asks for all; Samba tells all of them,
// and ranges to who asks for one.
func (d *domain) told(t *testing.T, group string) int {
	t.Helper()
	const first = "member;range=0-1499"
	found, err := d.root.Search(protocol.NewSearchRequest(group, protocol.ScopeBaseObject, protocol.NeverDerefAliases, 1, 0, false,
		"(objectClass=*)", []string{first}, nil))
	if err != nil || len(found.Entries) != 1 {
		t.Fatalf("read %s: %v", group, err)
	}
	return len(found.Entries[0].GetEqualFoldAttributeValues(first))
}
