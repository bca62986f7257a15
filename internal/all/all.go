// Package all is the one visible list of what can be configured by type.
//
// It owns the list and nothing else: what a type does stands in its package, what its keys mean in its Config. A type
// that is not listed here does not exist for a configuration; package connector/memory, which is for tests, is not.
package all

import (
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/connector/kubernetes"
	"github.com/curfewhq/curfew/internal/connector/ldap"
	"github.com/curfewhq/curfew/internal/connector/mongodb"
	"github.com/curfewhq/curfew/internal/connector/mongodbatlas"
	"github.com/curfewhq/curfew/internal/connector/mysql"
	"github.com/curfewhq/curfew/internal/connector/postgres"
	"github.com/curfewhq/curfew/internal/connector/redis"
)

// ConnectorTypes lists the types of connector, by name. The list is the caller's own.
func ConnectorTypes() []connector.Type {
	return []connector.Type{
		kubernetes.Type(),
		kubernetes.UserType(),
		ldap.Type(),
		mongodb.Type(),
		mongodbatlas.Type(),
		mysql.Type(),
		postgres.Type(),
		postgres.MembershipType(),
		redis.Type(),
	}
}
