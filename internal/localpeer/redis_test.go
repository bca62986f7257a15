package localpeer_test

import (
	"errors"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/curfewhq/curfew/internal/localpeer"
)

// What the connector redis stands on: a user is made with the hash of a password, is read back, and takes its connections
// with it.
func TestRedis(t *testing.T) {
	for name, o := range map[string]localpeer.RedisOptions{"plain": {}, "TLS": {TLS: true}} {
		t.Run(name, func(t *testing.T) {
			r, err := localpeer.StartRedis(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := r.Stop(); err != nil {
					t.Error(err)
				}
			}()
			admin, err := r.Admin()
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = admin.Close() }()
			// The hash is that of "pw".
			err = admin.Do(t.Context(), "ACL", "SETUSER", "eve", "on", "#30c952fab122c3f9759f02a6d95c3758b246b4fee239957b2d4fee46e26170c4", "+ping").Err()
			if err != nil {
				t.Fatal(err)
			}
			wrong := *admin.Options()
			wrong.Username, wrong.Password = "eve", "wp"
			stranger := redis.NewClient(&wrong)
			defer func() { _ = stranger.Close() }()
			if !redis.IsAuthError(stranger.Ping(t.Context()).Err()) {
				t.Error("a wrong password is not refused")
			}
			right := wrong
			right.Password = "pw"
			eve := redis.NewClient(&right)
			defer func() { _ = eve.Close() }()
			if err := eve.Ping(t.Context()).Err(); err != nil {
				t.Fatal(err)
			}
			if n, err := admin.Do(t.Context(), "ACL", "DELUSER", "eve").Int(); n != 1 || err != nil {
				t.Fatalf("%d users deleted, %v", n, err)
			}
			if err := eve.Ping(t.Context()).Err(); err == nil {
				t.Error("a deleted user's connection still works")
			}
			if err := admin.Do(t.Context(), "ACL", "GETUSER", "eve").Err(); !errors.Is(err, redis.Nil) {
				t.Errorf("a deleted user is read back: %v", err)
			}
		})
	}
}
