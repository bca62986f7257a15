package mongodb

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/connector/connectortest"
	"github.com/curfewhq/curfew/internal/relaytest"
)

// page is what operators read; its commands are the ones that are tested.
const page = "../../../docs/connectors/mongodb.md"

// peer is an emulated replica set with a database of orders, another of bills, and Curfew's accounts as the page makes them.
type peer struct {
	*emulated
	root *mongo.Client
}

func start(t testing.TB) *peer {
	t.Helper()
	p := &peer{emulated: startEmulated(t)}
	p.root = connect(t, p.RootURI(p.Addr()))
	for _, name := range []string{"orders", "billing"} {
		if _, err := p.root.Database(name).Collection("items").InsertOne(t.Context(), bson.D{{Key: "_id", Value: 17}}); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range pageCommands(t) {
		p.command(t, c.db, c.command)
	}
	p.command(t, "orders", bson.D{{Key: "createUser", Value: "bob"}, {Key: "pwd", Value: "his own"}, {Key: "roles", Value: bson.A{"read"}}, {Key: "mechanisms", Value: bson.A{mechanism}}})
	return p
}

type pageCommand struct {
	db      string
	command bson.D
}

// pageCommands are what the page has an operator run.
func pageCommands(t testing.TB) (all []pageCommand) {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile("(?s)<!-- run: accounts -->\n```js\n(.*?)```").FindSubmatch(text)
	if m == nil {
		t.Fatal("the page has no commands")
	}
	for _, c := range regexp.MustCompile(`(?s)getSiblingDB\("(.*?)"\)\.runCommand\((\{.*?\})\)\n`).FindAllSubmatch(m[1], -1) {
		var d bson.D
		if err := bson.UnmarshalExtJSON(c[2], false, &d); err != nil {
			t.Fatalf("%v in %s", err, c[2])
		}
		all = append(all, pageCommand{string(c[1]), d})
	}
	if len(all) < 2 {
		t.Fatalf("%d commands on the page", len(all))
	}
	return all
}

func (p *peer) command(t testing.TB, db string, d bson.D) {
	t.Helper()
	if err := p.root.Database(db).RunCommand(context.WithoutCancel(t.Context()), d).Err(); err != nil {
		t.Fatal(err)
	}
}

// connect makes a client that holds one connection beside the one that watches the server.
func connect(t testing.TB, uri string) *mongo.Client {
	t.Helper()
	client, err := mongo.Connect(options.Client().ApplyURI(uri).SetMaxPoolSize(1).SetServerSelectionTimeout(10 * time.Second))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Disconnect(context.Background()) })
	return client
}

// uri is how one of the page's accounts reaches the server at an address.
func uri(account, password, at string) string {
	u := url.URL{Scheme: "mongodb", User: url.UserPassword(account, password), Host: at, Path: "/"}
	return u.String() + "?authMechanism=SCRAM-SHA-256&directConnection=true"
}

// config is a configuration with the page's accounts, who reach the server at an address.
func (p *peer) config(t testing.TB, at string, change ...func(*Config)) *Config {
	t.Helper()
	c, _ := Type().New().(*Config)
	c.URI, c.ObserverURI = connectortest.SecretFile(t, uri("curfew", "choose a password", at)), connectortest.SecretFile(t, uri("curfewObserver", "choose another password", at))
	c.Resources = map[string]Resource{
		"orders": {Permissions: map[string]Permission{
			"read":  {Roles: []Role{{"read", "orders"}}},
			"write": {Roles: []Role{{"readWrite", "orders"}}},
		}},
		"billing": {Permissions: map[string]Permission{"read": {Roles: []Role{{"read", "billing"}}}}},
	}
	for _, f := range change {
		f(c)
	}
	return c
}

func (p *peer) open(t testing.TB, change ...func(*Config)) *driver {
	t.Helper()
	return openAt(t, p.config(t, p.Addr(), change...))
}

func openAt(t testing.TB, c *Config) *driver {
	t.Helper()
	return connectortest.Open(t, "orders-db", nil, c).(*driver)
}

// login is a user who has logged in and reads what an entitlement is for.
type login struct {
	client *mongo.Client
	db     string
}

// login logs in past whatever stands between driver and server.
func (p *peer) login(ctx context.Context, e access.Entitlement, c access.Credential) (connectortest.Session, error) {
	u, err := url.Parse(c.URI)
	if err != nil {
		return nil, err
	}
	u.Host = p.Addr()
	client, err := mongo.Connect(options.Client().ApplyURI(u.String()).SetMaxPoolSize(1).SetServerSelectionTimeout(10 * time.Second))
	if err != nil {
		return nil, err
	}
	return &login{client, e.Resource}, nil
}

func (l *login) Use(ctx context.Context) error {
	err := l.client.Database(l.db).Collection("items").FindOne(ctx, bson.D{{Key: "_id", Value: 17}}).Err()
	if code := codeOf(err); code == codeUnauthorized || code == codeAuthenticationFailed {
		return fmt.Errorf("%w: %w", connectortest.ErrRefused, err)
	}
	return err
}

func (l *login) Close() {
	if err := l.client.Disconnect(context.Background()); err != nil && !errors.Is(err, mongo.ErrClientDisconnected) {
		panic(err)
	}
}

// snapshot is every user, with what FerretDB and the emulation know, and every document.
func (p *peer) snapshot(t testing.TB, without ...access.Mark) string {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	var answer struct {
		Users []bson.Raw `bson:"users"`
	}
	if err := p.root.Database(admin).RunCommand(ctx, bson.D{{Key: "usersInfo", Value: bson.D{{Key: "forAllDBs", Value: true}}}}).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, raw := range answer.Users {
		var u user
		if err := bson.Unmarshal(raw, &u); err != nil {
			t.Fatal(err)
		}
		if !slices.Contains(without, u.Custom.Mark) {
			lines = append(lines, raw.String())
		}
	}
	for _, name := range []string{"orders", "billing", "curfew"} {
		cursor, err := p.root.Database(name).Collection("items").Find(ctx, bson.D{})
		if err != nil {
			t.Fatal(err)
		}
		var all []bson.Raw
		if err := cursor.All(ctx, &all); err != nil {
			t.Fatal(err)
		}
		for _, d := range all {
			lines = append(lines, name+" "+d.String())
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// setRoles gives one of the page's accounts other roles.
func (p *peer) setRoles(name string, roles []Role) {
	p.mu.Lock()
	defer p.mu.Unlock()
	key := userName{User: name, DB: admin}
	u := p.users[key]
	u.roles = roles
	p.users[key] = u
}

// makeUser makes a user as somebody else would, with customData if a mark is given.
func (p *peer) makeUser(t testing.TB, name string, mark access.Mark) {
	t.Helper()
	p.command(t, "curfew", bson.D{
		{Key: "createUser", Value: name}, {Key: "pwd", Value: "somebody's own"}, {Key: "roles", Value: bson.A{}},
		{Key: "customData", Value: bson.D{{Key: markKey, Value: string(mark)}}}, {Key: "mechanisms", Value: bson.A{mechanism}},
	})
	t.Cleanup(func() { p.command(t, "curfew", bson.D{{Key: "dropUser", Value: name}}) })
}

// order is an order for alice, for an hour.
func order(permission string) connector.Order {
	o := connectortest.NewOrder(time.Now(), access.Entitlement{Connector: "orders-db", Resource: "orders", Permission: permission})
	o.Recipient = []byte("a key")
	return o
}

// TestLawOnEmulatedMongoDB holds the driver, as an account with both roles of the page, to the law of all drivers. All other tests
// have the two accounts. After its server was away, the first call of each account fails with the connections that it had,
// and the law allows that to the one that acts alone.
func TestLawOnEmulatedMongoDB(t *testing.T) {
	p := start(t)
	both := []Role{{"curfew", admin}, {"curfewObserver", admin}}
	p.setRoles("curfew", both)
	relay := relaytest.NewDisturber(t, p.Addr())
	connectortest.Run(t, &connectortest.Harness{
		Open: func(t testing.TB) connector.Driver {
			return openAt(t, p.config(t, relay.Addr(), func(c *Config) { c.ObserverURI = "" }))
		},
		Traits:      traits(),
		Entitlement: access.Entitlement{Connector: "orders-db", Resource: "orders", Permission: "read"},
		Another:     access.Entitlement{Connector: "orders-db", Resource: "billing", Permission: "read"},
		Login:       p.login,
		Snapshot:    p.snapshot,
		Blind: func(testing.TB) func() {
			p.setRoles("curfew", []Role{{"curfew", admin}}) // without the right to see who is the primary
			return func() { p.setRoles("curfew", both) }
		},
		MakeForeign: func(t testing.TB, mark access.Mark) { p.makeUser(t, "curfew_elsewhere", mark) },
		Standing: func(t testing.TB) connectortest.Session {
			return &login{connect(t, uri("bob", "his own", p.Addr())+"&authSource=orders"), "orders"}
		},
		Interrupt: relay.Arm(true), Stall: relay.Arm(false), Points: relaytest.Points,
		Without: map[connectortest.Capability]string{
			connectortest.WaitPast:   "nothing ends by itself, and nothing has to settle",
			connectortest.MakeObject: "what a user makes belongs to the database",
		},
	})
}
