package redis

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	protocol "github.com/redis/go-redis/v9"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/connector/connectortest"
	"github.com/curfewhq/curfew/internal/localpeer"
)

// page is what operators read; its statements are the ones that are tested.
const page = "../../../docs/connectors/redis.md"

// statements are those of the page, one a line.
func statements(t testing.TB) []string {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile("(?s)<!-- run: set-up -->\n```\n(.*?)\n```").FindSubmatch(text)
	if m == nil {
		t.Fatal("the page has no statements")
	}
	return strings.Split(string(m[1]), "\n")
}

// peer is a Redis with the accounts of the page, and an administrator.
type peer struct {
	*localpeer.Redis
	admin *protocol.Client
}

func start(t testing.TB, change ...func(*localpeer.RedisOptions)) *peer {
	t.Helper()
	var options localpeer.RedisOptions
	for _, f := range change {
		f(&options)
	}
	server, err := localpeer.StartRedis(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Stop() })
	p := &peer{Redis: server}
	if p.admin, err = server.Admin(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.admin.Close() })
	for _, s := range statements(t) {
		p.do(t, s)
	}
	p.do(t, "ACL SAVE")
	p.do(t, "SET orders:17 paid")
	p.do(t, "ACL SETUSER standing on >standing %R~orders:* +@read")
	return p
}

// do runs a command as the administrator. Its words have no spaces.
func (p *peer) do(t testing.TB, command string) any {
	t.Helper()
	var words []any
	for _, w := range strings.Fields(command) {
		words = append(words, w)
	}
	v, err := p.admin.Do(context.WithoutCancel(t.Context()), words...).Result()
	if err != nil && !errors.Is(err, protocol.Nil) {
		t.Fatalf("%s: %v", command, err)
	}
	return v
}

func (p *peer) config(t testing.TB, change ...func(*Config)) *Config {
	t.Helper()
	c, _ := Type().New().(*Config)
	c.URL, c.Password = p.URL(), connectortest.SecretFile(t, "choose-a-password")
	c.ObserverUsername, c.ObserverPassword = "curfew_observer", connectortest.SecretFile(t, "choose-another-password")
	c.Resources = map[string]Resource{"orders": {Permissions: map[string]Permission{
		"read":  {Commands: []string{"+@read"}, Keys: []string{"%R~orders:*"}},
		"write": {Commands: []string{"+@write"}, Keys: []string{"%W~orders:*"}},
		"all": {
			Commands: []string{"+@read", "+@write", "+@pubsub", "+@blocking", "+@transaction", "+@connection", "+@scripting", "+keys"},
			Keys:     []string{"~orders:*"}, Channels: []string{"&orders.*"},
		},
	}}}
	for _, f := range change {
		f(c)
	}
	return c
}

func (p *peer) open(t testing.TB, change ...func(*Config)) connector.Driver {
	t.Helper()
	return connectortest.Open(t, "cache", nil, p.config(t, change...))
}

// session is a connection of somebody's, with which they use a permission.
type session struct {
	*protocol.Conn
	client     *protocol.Client
	permission string
}

// login uses the credential's own URI, past the relay.
func (p *peer) login(ctx context.Context, e access.Entitlement, c access.Credential) (connectortest.Session, error) {
	o, err := protocol.ParseURL(c.URI)
	if err != nil {
		return nil, err
	}
	if o.Username != c.Username || o.Password != c.Password {
		return nil, errors.New("the URI has another log-in than the credential")
	}
	return p.connect(ctx, o, e.Permission)
}

func (p *peer) connect(ctx context.Context, o *protocol.Options, permission string) (*session, error) {
	o.Protocol, o.MaxRetries, o.DialerRetries, o.DisableIdentity = 2, -1, 1, true
	o.Dialer = func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "tcp", p.Addr())
	}
	client := protocol.NewClient(o)
	s := &session{client.Conn(), client, permission}
	// The library does not say what becomes of a log-in before the first command.
	if err := s.Use(ctx); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func (s *session) Use(ctx context.Context) error {
	command := []any{"GET", "orders:17"}
	if s.permission == "write" {
		command = []any{"SETRANGE", "orders:17", "0", ""}
	}
	err := s.Do(ctx, command...).Err()
	if protocol.IsAuthError(err) || protocol.IsPermissionError(err) {
		return fmt.Errorf("%w: %w", connectortest.ErrRefused, err)
	}
	return err
}

func (s *session) Close() { _ = errors.Join(s.Conn.Close(), s.client.Close()) }

// snapshot is every user, every key but those that orders live by, which vanish by themselves, and every function.
func (p *peer) snapshot(t testing.TB, without ...access.Mark) string {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	lines, err := p.admin.ACLList(ctx).Result()
	if err != nil {
		t.Fatal(err)
	}
	lines = slices.DeleteFunc(lines, func(line string) bool {
		return slices.ContainsFunc(without, func(m access.Mark) bool { return strings.Contains(line, selector(string(m))[:len(m)+2]) })
	})
	keys, err := p.admin.Keys(ctx, "*").Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		if strings.HasPrefix(key, fencePrefix) {
			continue
		}
		value, err := p.admin.Dump(ctx, key).Result()
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, fmt.Sprintf("%s %q", key, value))
	}
	lines = append(lines, fmt.Sprint(p.do(t, "FUNCTION LIST")))
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// order is one for alice, that may act for a minute.
func order(permission, grant string) connector.Order {
	o := connectortest.NewOrder(time.Now(), access.Entitlement{Connector: "cache", Resource: "orders", Permission: permission})
	o.Grant = access.GrantID(access.GrantPrefix + strings.Repeat("0", 26-len(grant)) + grant)
	o.Mark, o.Recipient = access.Mark("curfew:test:default:cache:"+string(o.Grant)+":0f"), []byte("any: the driver does not look")
	return o
}

// give prepares and grants.
func give(t testing.TB, d connector.Driver, o connector.Order) (access.Plan, access.Credential) {
	t.Helper()
	plan, err := d.Prepare(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	out, err := d.Grant(t.Context(), o, plan)
	if err != nil {
		t.Fatal(err)
	}
	return plan, *out.Credential
}

func wantState(t testing.TB, d connector.Driver, o connector.Order, plan access.Plan, want connector.AtomState) {
	t.Helper()
	p, err := d.Observe(t.Context(), o, plan)
	if err != nil || p.State() != want {
		t.Fatalf("Observe says %s, %v; want %s", p.State(), err, want)
	}
}
