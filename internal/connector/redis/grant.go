package redis

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"slices"

	protocol "github.com/redis/go-redis/v9"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
)

// Grant makes the user, or gives one that is there the plan's rules again. A user has no password until a credential is
// issued. The password has 130 random bits, so that its SHA-256, which is all that the server is told, gives nothing away.
func (d *driver) Grant(ctx context.Context, o connector.Order, p access.Plan) (connector.Outcome, error) {
	v, err := decodePlan(p)
	if err != nil {
		return connector.Outcome{}, err
	}
	if len(v.Rules) == 0 {
		return connector.Outcome{}, access.Errorf(access.KindInvalid, "The plan of this grant names no rules.")
	}
	var out connector.Outcome
	set := []any{"ACL", "SETUSER", v.User, "on", "resetkeys", "resetchannels", "-@all", "clearselectors"}
	for _, rule := range slices.Concat(v.Rules, []string{selector(string(v.Mark))}) {
		set = append(set, rule)
	}
	if len(o.Recipient) > 0 {
		password := rand.Text()
		hash := sha256.Sum256([]byte(password))
		set = append(set, "resetpass", "#"+hex.EncodeToString(hash[:]))
		out.Credential = d.credential(v.User, password)
	}
	err = d.in(ctx, "make a user", func(c *protocol.Client) error {
		return d.fenced(ctx, c, o, v, func(p protocol.Pipeliner) { p.Do(ctx, set...) })
	})
	if err != nil {
		return connector.Outcome{}, err
	}
	return out, nil
}

// credential is what a user needs to reach the server on the way that Curfew does.
func (d *driver) credential(user, password string) *access.Credential {
	u := url.URL{Scheme: "redis", User: url.UserPassword(user, password), Host: d.server, Path: "/0"}
	if d.secure {
		u.Scheme = "rediss"
	}
	return &access.Credential{
		Username: user, Password: password, URI: u.String(),
		Env: map[string]string{"REDIS_URL": u.String(), "REDIS_USERNAME": user, "REDISCLI_AUTH": password},
	}
}

// Extend has no expiry to move. It fails where the user is not there, for it makes none.
func (d *driver) Extend(ctx context.Context, o connector.Order, p access.Plan) error {
	v, err := decodePlan(p)
	if err != nil {
		return err
	}
	if err := connector.InTime(d.name, d.clock, o); err != nil {
		return err
	}
	return d.in(ctx, "extend access", func(c *protocol.Client) error {
		there, err := d.readUsers(ctx, c, v.User)
		if err != nil {
			return err
		}
		if err := d.checkOurs(v, there); err != nil {
			return err
		}
		if !there.of[v.User].exists {
			return access.Errorf(access.KindNotFound, "The connector %s cannot extend the access: the user %q is not there.", d.name, v.User)
		}
		return nil
	})
}
