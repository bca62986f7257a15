package mongodb

import (
	"context"
	"errors"
	"net"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"

	"github.com/curfewhq/curfew/internal/connector"
	"github.com/curfewhq/curfew/internal/secret"
)

const (
	connectTimeout = 5 * time.Second
	// selectTimeout bounds the search for the primary.
	selectTimeout = 5 * time.Second
	// closeTimeout bounds the goodbyes to servers that may not be there.
	closeTimeout = 2 * time.Second
	// mechanism is how the users that we make log in, and ourselves.
	mechanism = "SCRAM-SHA-256"
	// admin is the database that commands about the whole server go to.
	admin = "admin"
)

// account is one of our own accounts with its connections to the replica set.
type account struct {
	client *mongo.Client
	// options are what the connection string says.
	options *options.ClientOptions
	self    userName
}

// openAccount resolves the connection string, and waits for nothing. The client looks for the servers in the background.
func openAccount(ref secret.Ref, field string, size int) (*account, error) {
	uri, err := ref.Resolve()
	if err != nil {
		return nil, connector.NewFieldError(err.Error(), field)
	}
	// A name that stands for members in the DNS would have to be asked for now.
	if !hasScheme(uri) {
		return nil, connector.NewFieldError("what it refers to is no connection string; want mongodb://USER:PASSWORD@HOST:PORT/?replicaSet=NAME, which names the members", field)
	}
	o := options.Client().ApplyURI(uri)
	if o.Validate() != nil { // the error quotes the text, which holds a password
		return nil, connector.NewFieldError("what it refers to is no connection string; want mongodb://USER:PASSWORD@HOST:PORT/?replicaSet=NAME&tls=true", field)
	}
	if o.Auth == nil || o.Auth.Username == "" || o.Auth.AuthSource == "$external" {
		return nil, connector.NewFieldError("the connection string names no user with a password", field)
	}
	if !private(o) {
		return nil, connector.NewFieldError("passwords would cross the network for others to read or to forge; add tls=true to the connection string, without tlsInsecure", field)
	}
	o.SetAppName("curfew").SetReadPreference(readpref.Primary()).SetRetryWrites(false)
	if o.TLSConfig == nil {
		o.SetDialer(loopbackDialer{})
	}
	o.SetMaxPoolSize(uint64(size)).SetServerSelectionTimeout(selectTimeout).SetConnectTimeout(connectTimeout)
	client, err := mongo.Connect(o)
	if err != nil {
		return nil, connector.NewFieldError("the connection string cannot be used; check its options", field)
	}
	return &account{client: client, options: o, self: userName{User: o.Auth.Username, DB: authSource(o)}}, nil
}

func hasScheme(uri string) bool {
	const scheme = "mongodb://"
	return len(uri) > len(scheme) && uri[:len(scheme)] == scheme
}

func authSource(o *options.ClientOptions) string {
	if o.Auth.AuthSource == "" {
		return admin
	}
	return o.Auth.AuthSource
}

// private reports whether nobody on the way can read or change what is said: the password of a new user is sent as it is.
func private(o *options.ClientOptions) bool {
	if o.TLSConfig != nil {
		return !o.TLSConfig.InsecureSkipVerify
	}
	return !slices.ContainsFunc(o.Hosts, func(host string) bool {
		h, _, err := net.SplitHostPort(host)
		if err != nil {
			h = host
		}
		ip := net.ParseIP(h)
		return ip == nil || !ip.IsLoopback()
	})
}

// loopbackDialer connects to nothing but loopback: a member that is may name others that are not.
type loopbackDialer struct{ net.Dialer }

// DialContext implements options.ContextDialer.
func (d loopbackDialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := d.Dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	if host, _, _ := net.SplitHostPort(conn.RemoteAddr().String()); !net.ParseIP(host).IsLoopback() {
		return nil, errors.Join(errors.New("without TLS nobody is reached who is not on loopback"), conn.Close())
	}
	return conn, nil
}

// run sends one command to the primary. Its time at the server is bounded by the context: the library says maxTimeMS.
func (a *account) run(ctx context.Context, db string, command bson.D, result any) error {
	r := a.client.Database(db).RunCommand(ctx, command)
	if result == nil {
		return r.Err()
	}
	return r.Decode(result)
}

// write sends a command that must be known to most of the members before it counts.
func (a *account) write(ctx context.Context, db string, command bson.D) error {
	majority := bson.D{{Key: "w", Value: "majority"}}
	if deadline, ok := ctx.Deadline(); ok {
		majority = append(majority, bson.E{Key: "wtimeout", Value: max(1, time.Until(deadline).Milliseconds())})
	}
	return a.run(ctx, db, append(command, bson.E{Key: "writeConcern", Value: majority}), nil)
}

func (a *account) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	return a.client.Disconnect(ctx)
}
