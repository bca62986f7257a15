package mongodb

import (
	"net/url"
	"strings"

	"github.com/curfewhq/curfew/internal/access"
)

// credential is what a user needs to reach the replica set on the way that Curfew reaches it.
func (d *driver) credential(v plan, password string) access.Credential {
	o := d.curfew.options
	query := url.Values{"authSource": {v.DB}, "authMechanism": {mechanism}}
	if o.ReplicaSet != nil {
		query.Set("replicaSet", *o.ReplicaSet)
	}
	if o.Direct != nil && *o.Direct {
		query.Set("directConnection", "true")
	}
	if o.TLSConfig != nil {
		query.Set("tls", "true")
	}
	u := url.URL{
		Scheme: "mongodb", User: url.UserPassword(v.User, password), Host: strings.Join(o.Hosts, ","),
		// Where mongosh begins.
		Path: "/" + v.Roles[0].DB, RawQuery: query.Encode(),
	}
	return access.Credential{Username: v.User, Password: password, URI: u.String(), Env: map[string]string{"MONGODB_URI": u.String()}}
}
