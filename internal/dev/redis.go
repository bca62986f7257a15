package dev

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/curfewhq/curfew/internal/localpeer"
)

//go:embed redis.yaml
var redisConfig string

func redisKind() kind {
	return kind{name: "redis", present: localpeer.HasRedis, start: startRedis}
}

const (
	// readCache is what the demo's engineers have for the asking at the Redis.
	readCache = "orders-cache/orders:read"

	redisOrder = "orders:17"
	// What docs/connectors/redis.md gives Curfew's two accounts.
	redisAccountRules = "resetkeys ~curfew:order:* resetchannels -@all +acl|setuser +acl|deluser +acl|getuser +acl|list +acl|dryrun" +
		" +client|id +client|list +client|kill +multi +exec +watch +unwatch +set +exists +del +time +info +command|info (~target:demo)"
	redisObserverRules = "resetkeys resetchannels -@all +acl|getuser +client|id +client|list +multi +exec"
)

// redis is a private Redis of the demo's.
type redis struct{ *localpeer.Redis }

func startRedis(ctx context.Context, f *folder, progress io.Writer) (target, error) {
	server, err := localpeer.StartRedis(ctx, localpeer.RedisOptions{Progress: progress})
	if err != nil {
		return nil, err
	}
	r := redis{server}
	if err := r.setUp(ctx, f); err != nil {
		return nil, errors.Join(err, server.Stop())
	}
	return r, nil
}

// setUp gives the server what a company has, and Curfew its accounts there, and writes down how Curfew reaches it.
func (r redis) setUp(ctx context.Context, f *folder) error {
	admin, err := r.Admin()
	if err != nil {
		return err
	}
	defer func() { _ = admin.Close() }()
	for name, rules := range map[string]string{account: redisAccountRules, observer: redisObserverRules} {
		password, err := f.secret(name + ".redis-password")
		if err != nil {
			return err
		}
		words := []any{"ACL", "SETUSER", name, "on", ">" + password}
		for _, rule := range strings.Fields(rules) {
			words = append(words, rule)
		}
		if err := admin.Do(ctx, words...).Err(); err != nil {
			return fmt.Errorf("making the account %s: %w", name, err)
		}
	}
	if err := admin.Set(ctx, redisOrder, "customer: Edsger, item: pencil", 0).Err(); err != nil {
		return err
	}
	return f.configure("redis.yaml", redisConfig, struct{ URL, Secrets string }{r.URL(), f.secrets()})
}

func (r redis) offer() string {
	return `With the private Redis:

  curfew request ` + readCache + ` --for 2m --reason "look at order 17" --wait
  eval "$(curfew credential ` + readCache + ` --env)" && redis-cli -p ` + r.Port() + ` --user $REDIS_USERNAME get ` + redisOrder + `
`
}

func (r redis) visitor(t *tour) visitor { return &cacheVisitor{tour: t, redis: r} }

func (r redis) stop() error { return r.Stop() }
