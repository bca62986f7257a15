package audit

import (
	"encoding/json"
	"strings"

	"github.com/curfewhq/curfew/internal/access"
)

// OCSFVersion is the version of the Open Cybersecurity Schema Framework that records are written in.
const OCSFVersion = "1.5.0"

// The classes of OCSF's category Identity & Access Management that records are of.
const (
	ocsfIAM              = 3
	ocsfEntityManagement = 3004
	ocsfUserAccess       = 3005
)

// undisclosed stands for a name that is erased or not to be told, where OCSF requires one.
const undisclosed = "(not disclosed)"

type ocsfEvent struct {
	CategoryUID  int    `json:"category_uid"`
	CategoryName string `json:"category_name"`
	ClassUID     int    `json:"class_uid"`
	ClassName    string `json:"class_name"`
	ActivityID   int    `json:"activity_id"`
	ActivityName string `json:"activity_name"`
	TypeUID      int    `json:"type_uid"`
	TypeName     string `json:"type_name"`
	SeverityID   int    `json:"severity_id"`
	Severity     string `json:"severity"`
	StatusID     int    `json:"status_id"`
	Status       string `json:"status"`
	// Time is in milliseconds since the Unix epoch.
	Time     int64        `json:"time"`
	Message  string       `json:"message"`
	Metadata ocsfMetadata `json:"metadata"`
	Actor    ocsfActor    `json:"actor"`

	// Of User Access Management.
	User       *ocsfUser      `json:"user,omitempty"`
	Privileges []string       `json:"privileges,omitempty"`
	Resources  []ocsfResource `json:"resources,omitempty"`
	// Of Entity Management.
	Entity  *ocsfEntity `json:"entity,omitempty"`
	Comment string      `json:"comment,omitempty"`
	// Unmapped has what OCSF has no place for: the record as Curfew writes it.
	Unmapped Record `json:"unmapped"`
}

type ocsfMetadata struct {
	Version string      `json:"version"`
	Product ocsfProduct `json:"product"`
	LogName string      `json:"log_name"`
	// UID and Sequence are the event's ID and position.
	UID            access.EventID   `json:"uid"`
	Sequence       int64            `json:"sequence"`
	EventCode      access.EventKind `json:"event_code"`
	CorrelationUID string           `json:"correlation_uid,omitempty"`
	TenantUID      access.TenantID  `json:"tenant_uid"`
}

type ocsfProduct struct {
	Name       string `json:"name"`
	VendorName string `json:"vendor_name"`
}

type ocsfActor struct {
	User    *ocsfUser `json:"user,omitempty"`
	AppName string    `json:"app_name,omitempty"`
}

// ocsfOther is OCSF's number for what it has none for.
const ocsfOther = 99

type ocsfUser struct {
	Name string `json:"name"`
	UID  string `json:"uid,omitempty"`
	// Domain is who says who the user is.
	Domain string `json:"domain,omitempty"`
	// TypeID and Type mark an agent, for which OCSF has no number of its own.
	TypeID int    `json:"type_id,omitempty"`
	Type   string `json:"type,omitempty"`
}

type ocsfResource struct {
	Name string `json:"name"`
	UID  string `json:"uid"`
}

type ocsfEntity struct {
	Type string `json:"type"`
	UID  string `json:"uid"`
	Name string `json:"name,omitempty"`
}

// ocsfActivity is what a kind of event is in OCSF.
type ocsfActivity struct {
	class int
	id    int
}

// OCSF writes a record as an event of OCSF.
//
// That access begins, and that it was read back as gone, are User Access Management. Everything else is Entity Management, the
// entity being the request, the grant, the credential, the finding, the freeze or the delegation. It is not API Activity, which requires the
// network endpoint of a caller: the log does not have one, and much in it nobody called for.
func OCSF(r Record) ([]byte, error) {
	e := ocsfEvent{
		CategoryUID: ocsfIAM, CategoryName: "Identity & Access Management",
		SeverityID: 1, Severity: "Informational", StatusID: 1, Status: "Success",
		Time: r.At.UnixMilli(), Message: message(r), Actor: ocsfActor{AppName: "Curfew"}, Unmapped: r,
		Metadata: ocsfMetadata{
			Version: OCSFVersion, Product: ocsfProduct{Name: "Curfew", VendorName: "Curfew"}, LogName: "audit", UID: r.ID,
			Sequence: r.Position, EventCode: r.Kind, CorrelationUID: correlation(r), TenantUID: r.Tenant,
		},
	}
	if r.Actor != (access.PrincipalID{}) {
		e.Actor = ocsfActor{User: ocsfUserOf(r, r.Actor)}
	}
	activity := activityOf(r)
	e.ClassUID, e.ActivityID, e.TypeUID = activity.class, activity.id, activity.class*100+activity.id
	if activity.class == ocsfUserAccess {
		e.ClassName, e.ActivityName = "User Access Management", []string{"", "Assign Privileges", "Revoke Privileges"}[activity.id]
		resource, permission := splitEntitlement(r.Entitlement)
		e.User, e.Privileges, e.Resources = ocsfUserOf(r, r.Subject), []string{permission}, []ocsfResource{{Name: resource, UID: resource}}
	} else {
		e.ClassName, e.ActivityName = "Entity Management", []string{"", "Create", "Read", "Update", "Delete"}[activity.id]
		e.Entity, e.Comment = entityOf(r), r.Personal["reason"]
	}
	e.TypeName = e.ClassName + ": " + e.ActivityName
	switch r.Kind {
	case access.EventGrantFailed:
		e.SeverityID, e.Severity, e.StatusID, e.Status = 3, "Medium", 2, "Failure"
	case access.EventFindingOpened:
		e.SeverityID, e.Severity = 3, "Medium"
	case access.EventFreezeBegun, access.EventStoreRestored, access.EventGrantAttested:
		e.SeverityID, e.Severity = 4, "High"
	default: // the rest informs
	}
	return json.Marshal(e)
}

// activityOf finds the class and the activity of a record.
func activityOf(r Record) ocsfActivity {
	const create, read, update, remove, assign, revoke = 1, 2, 3, 4, 1, 2
	switch r.Kind {
	case access.EventGrantActive:
		return ocsfActivity{ocsfUserAccess, assign}
	case access.EventGrantRemovedOffline:
		return ocsfActivity{ocsfUserAccess, revoke}
	case access.EventGrantEnded:
		if r.From == string(access.GrantRevoking) {
			return ocsfActivity{ocsfUserAccess, revoke}
		}
		return ocsfActivity{ocsfEntityManagement, update} // it never began
	case access.EventRequestSubmitted, access.EventGrantScheduled, access.EventCredentialIssued, access.EventFindingOpened, access.EventFreezeBegun,
		access.EventDelegationBegun, access.EventConfigProposed:
		return ocsfActivity{ocsfEntityManagement, create}
	case access.EventCredentialFetched:
		return ocsfActivity{ocsfEntityManagement, read}
	case access.EventFindingRemoved, access.EventFreezeLifted, access.EventDelegationEnded, access.EventConfigRejected:
		return ocsfActivity{ocsfEntityManagement, remove}
	default:
		return ocsfActivity{ocsfEntityManagement, update}
	}
}

// entityOf is what a record is about: the noun of its kind, and the nearest name that it has.
func entityOf(r Record) *ocsfEntity {
	noun, _, _ := strings.Cut(string(r.Kind), ".")
	e := &ocsfEntity{Type: noun, Name: r.Entitlement}
	switch noun {
	case "request":
		e.UID = string(r.Request)
	case "grant", "credential":
		e.UID = string(r.Grant)
	default:
		e.UID = r.Detail[noun]
	}
	if e.UID == "" {
		e.UID = string(r.ID)
	}
	return e
}

// ocsfUserOf is a principal of a record, marked where that is an agent.
func ocsfUserOf(r Record, id access.PrincipalID) *ocsfUser {
	if id == (access.PrincipalID{}) {
		return &ocsfUser{Name: undisclosed}
	}
	u := &ocsfUser{Name: id.Subject, UID: id.String(), Domain: id.Issuer}
	if !r.ActsFor.IsZero() && id == r.Subject {
		u.TypeID, u.Type = ocsfOther, access.WhoActs(id.String(), r.ActsFor.String())
	}
	return u
}

// splitEntitlement is the resource and the permission of an entitlement, whatever is written in it.
func splitEntitlement(s string) (resource, permission string) {
	if i := strings.LastIndexByte(s, ':'); i >= 0 {
		return s[:i], s[i+1:]
	}
	return s, s
}

// correlation finds all records of one request together, or of one grant where no request is named.
func correlation(r Record) string {
	if r.Request != "" {
		return string(r.Request)
	}
	return string(r.Grant)
}

// message is the record in one line, without names and words of people.
func message(r Record) string {
	parts := []string{string(r.Kind), r.Entitlement}
	if r.To != "" {
		parts = append(parts, strings.TrimSpace(r.From+" → "+r.To))
	}
	return strings.Join(strings.Fields(strings.Join(parts, " ")), " ")
}
