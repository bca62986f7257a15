package mongodb

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/curfewhq/curfew/internal/access"
)

// tooStrong are the roles of MongoDB's own with which a user could make access that outlives the grant, or keep Curfew from
// taking it back. What another role may do is read at the server.
func tooStrong() []string {
	return []string{
		"root", "__system", "dbOwner", "userAdmin", "userAdminAnyDatabase", "restore",
		"clusterAdmin", "clusterManager", "hostManager", "dbAdminAnyDatabase",
	}
}

// strongActions are the actions (MongoDB Manual, Privilege Actions) that let somebody make users and roles or change them, act as
// another, write what no command guards, end Curfew's own operations, or keep every write waiting.
func strongActions() []string {
	return []string{
		"anyAction", "applyOps", "internal", "impersonate", "useTenant",
		"createUser", "dropUser", "grantRole", "revokeRole", "createRole", "dropRole",
		"changePassword", "changeCustomData", "changeOwnCustomData", "setAuthenticationRestriction",
		"bypassWriteBlockingMode", "setUserWriteBlockMode",
		"killop", "killAnySession", "fsync", "unlock", "shutdown", "setParameter",
		"replSetConfigure", "replSetStateChange", "rotateCertificates",
	}
}

// writes are the actions that change documents.
func writes() []string {
	return []string{"insert", "update", "remove", "dropCollection", "renameCollectionSameDB", "dropDatabase"}
}

// resource is what a privilege is about.
type resource struct {
	DB         *string `bson:"db"`
	Collection *string `bson:"collection"`
	Cluster    bool    `bson:"cluster"`
	Any        bool    `bson:"anyResource"`
}

// privilege is what may be done with a resource.
type privilege struct {
	Resource resource `bson:"resource"`
	Actions  []string `bson:"actions"`
}

// danger is the action by which a privilege is too strong, or empty.
func (p privilege) danger() string {
	for _, action := range p.Actions {
		if slices.Contains(strongActions(), action) {
			return action
		}
	}
	// Users and roles are documents; a privilege on all collections of a database leaves those of the system out.
	system := p.Resource.Any || p.Resource.Collection != nil && slices.Contains([]string{"system.users", "system.roles"}, *p.Resource.Collection)
	for _, action := range p.Actions {
		if system && slices.Contains(writes(), action) {
			return action + " on " + admin + ".system.users or system.roles"
		}
	}
	return ""
}

// roleInfo is a role with all that it may do, by its own privileges and by those of the roles that it has.
type roleInfo struct {
	Role       `bson:",inline"`
	Privileges []privilege `bson:"inheritedPrivileges"`
}

// checkRoles refuses roles that are missing, or too strong for access that shall end.
func (d *driver) checkRoles(ctx context.Context, roles []Role) error {
	var answer struct {
		Roles []roleInfo `bson:"roles"`
	}
	if err := d.curfew.run(ctx, admin, bson.D{{Key: "rolesInfo", Value: roles}, {Key: "showPrivileges", Value: true}}, &answer); err != nil {
		return err
	}
	misconfigured := func(r Role, format string, args ...any) error {
		return access.Errorf(access.KindMisconfigured, "The role %q of the connector %s %s", r, d.name, fmt.Sprintf(format, args...))
	}
	for _, r := range roles {
		i := slices.IndexFunc(answer.Roles, func(info roleInfo) bool { return info.Role == r })
		if i < 0 {
			return misconfigured(r, "does not exist. An operator must create it or change the connector's permissions.")
		}
		var dangers []string
		for _, p := range answer.Roles[i].Privileges {
			if what := p.danger(); what != "" && !slices.Contains(dangers, what) {
				dangers = append(dangers, what)
			}
		}
		if len(dangers) > 0 {
			return misconfigured(r, "could be used to make access that outlives a grant (%s). An operator must use a weaker role.", strings.Join(dangers, ", "))
		}
	}
	return nil
}
