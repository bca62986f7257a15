package localpeer

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// FerretDBOptions say how to start FerretDB.
type FerretDBOptions struct {
	// Progress gets lines when something has to be built. Nil discards them.
	Progress io.Writer
}

// FerretDB is a private FerretDB 1.24, which speaks MongoDB's protocol and keeps its data in SQLite, on a loopback port. It knows
// users and their passwords (SCRAM) and asks nobody what they may do. It dies with this process. Its methods are safe for
// concurrent use.
type FerretDB struct {
	server
	program  string
	password string
}

// ferretRoot is the user that FerretDB is set up with.
const ferretRoot = "root"

// ferretPeer is how it is built.
func ferretPeer() goPeer {
	const module = "github.com/FerretDB/FerretDB"
	return goPeer{name: "ferretdb", program: "ferretdb", patch: &goPatch{
		module: module, main: module + "/cmd/ferretdb",
		// Without this file it refuses to start.
		files: map[string]string{"build/version/version.txt": "v1.24.0\n"},
	}}
}

// BuildFerretDB builds the server, unless that was done before.
func BuildFerretDB(ctx context.Context, progress io.Writer) error {
	_, err := ferretPeer().need(ctx, progress)
	return err
}

// StartFerretDB starts a server and returns when its root can log in. The context bounds the start, building included, not
// the life of the server; the caller must Stop it.
func StartFerretDB(ctx context.Context, o FerretDBOptions) (*FerretDB, error) {
	if o.Progress == nil {
		o.Progress = io.Discard
	}
	program, err := ferretPeer().need(ctx, o.Progress)
	if err != nil {
		return nil, err
	}
	f, err := openFolder("", nil)
	if err != nil {
		return nil, err
	}
	d := &FerretDB{server: server{folder: f}, program: program, password: rand.Text()}
	d.recipe = recipe{
		name: "FerretDB", command: d.command, ready: d.ping, portTaken: "address already in use",
		polite: syscall.SIGTERM, abrupt: syscall.SIGKILL,
	}
	if err := os.Mkdir(f.join(clusterDir), 0o700); err != nil {
		return nil, errors.Join(err, f.close())
	}
	if err := d.start(ctx); err != nil {
		return nil, errors.Join(err, f.close())
	}
	return d, nil
}

func (d *FerretDB) command(port int) []string {
	return []string{
		d.program, "--listen-addr=" + addr(port), "--handler=sqlite", "--sqlite-url=file:" + d.folder.join(clusterDir) + "/",
		"--state-dir=" + d.folder.path, "--debug-addr=-", "--telemetry=disable", "--log-level=error",
		"--test-enable-new-auth", "--setup-database=admin", "--setup-username=" + ferretRoot, "--setup-password=" + d.password,
	}
}

// ping logs in as the root, whose password no other server knows.
func (d *FerretDB) ping(ctx context.Context, port int) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	client, err := mongo.Connect(options.Client().ApplyURI(d.uri(addr(port))))
	if err != nil {
		return err
	}
	err = client.Database("admin").RunCommand(ctx, bson.D{{Key: "usersInfo", Value: ferretRoot}}).Err()
	return errors.Join(err, client.Disconnect(context.WithoutCancel(ctx)))
}

func (d *FerretDB) uri(at string) string {
	return fmt.Sprintf("mongodb://%s:%s@%s/?authSource=admin&authMechanism=SCRAM-SHA-256&directConnection=true", ferretRoot, d.password, at)
}

// RootURI is how its root reaches it at an address: its own, or that of something that stands in between.
func (d *FerretDB) RootURI(at string) string { return d.uri(at) }
