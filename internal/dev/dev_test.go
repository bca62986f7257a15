package dev

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/api/client"
	"github.com/curfewhq/curfew/internal/localpeer"
	"github.com/curfewhq/curfew/internal/syncbuf"
)

func TestMain(m *testing.M) {
	flag.Parse()
	// Demos and tours wait for servers and for deadlines, and hardly compute.
	if err := flag.Set("test.parallel", "4"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	os.Exit(m.Run())
}

// running is a demo that was started as `curfewd dev -o json`.
type running struct {
	*demo
	// interrupt is Ctrl-C; it returns what Run returned.
	interrupt func() error
	stderr    *syncbuf.Buffer
}

// run starts a demo and waits for its one line of JSON.
func run(t *testing.T, o Options) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	read, write := io.Pipe()
	stderr := &syncbuf.Buffer{}
	o.Listen, o.JSON, o.Stdout, o.Stderr = "127.0.0.1:0", true, write, stderr
	ended := make(chan error, 1)
	go func() {
		err := Run(ctx, o)
		ended <- err
		write.CloseWithError(errors.Join(err, io.EOF))
	}()
	interrupt := sync.OnceValue(func() error {
		cancel()
		return <-ended
	})
	t.Cleanup(func() { _ = interrupt() })
	line, err := bufio.NewReader(read).ReadBytes('\n')
	if err != nil {
		t.Fatalf("the demo did not start: %v\n%s", err, stderr)
	}
	var said struct {
		URL    string
		Data   string
		Tokens map[string]string
	}
	if err := json.Unmarshal(line, &said); err != nil || said.Tokens["engineer"] == "" || said.Tokens["reviewer"] == "" || said.Tokens["admin"] == "" {
		t.Fatalf("%s: %v", line, err)
	}
	d := &demo{Options: o, address: said.URL, folder: &folder{path: said.Data, tokens: said.Tokens}}
	return &running{demo: d, interrupt: interrupt, stderr: stderr}
}

func (r *running) must(t *testing.T, name string) *person {
	t.Helper()
	p, err := r.person(name)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// The demo as its first screen says: an automatic grant, one that is reviewed, and Ctrl-C in the middle.
func TestDemo(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	demo := run(t, Options{})
	engineer, reviewer := demo.must(t, "engineer"), demo.must(t, "reviewer")

	granted, err := engineer.request(ctx, readOrders, time.Hour, "look at order 17")
	if err != nil || len(granted.Grants) != 1 || granted.Grants[0].State != client.GrantState(access.GrantActive) {
		t.Fatalf("%+v, %v", granted, err)
	}
	credential, err := engineer.credential(ctx, granted.Grants[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	session, err := pgx.Connect(ctx, credential.URI)
	if err != nil {
		t.Fatalf("the credential's URI does not log in: %v", err)
	}
	defer session.Close(context.Background())
	var customer string
	if err := session.QueryRow(ctx, "SELECT customer FROM orders WHERE id = 17").Scan(&customer); err != nil || customer != "Edsger" {
		t.Errorf("order 17 is %q's, %v", customer, err)
	}
	if _, err := session.Exec(ctx, "DELETE FROM orders"); err == nil {
		t.Error("who may read has written")
	}

	r, err := engineer.SubmitRequestWithResponse(ctx, nil, client.RequestBody{Entitlements: []string{"orders-db/orders:write"}, Duration: "2m", Reason: "repair it"})
	asked, err := read[client.Request](r, err)
	if err != nil || asked.State != client.RequestState(access.RequestPending) {
		t.Fatalf("%+v, %v", asked, err)
	}
	for _, c := range []struct {
		who  *person
		want int
	}{{engineer, 403}, {reviewer, 201}, {reviewer, 409}} {
		review, err := c.who.ReviewRequestWithResponse(ctx, asked.ID, client.ReviewBody{Verdict: "approve"})
		if err != nil || review.StatusCode() != c.want {
			t.Errorf("%s approves: status %d, want %d, %v", c.who.id, review.StatusCode(), c.want, err)
		}
	}

	if r, err := engineer.GetRequestWithResponse(ctx, asked.ID, &client.GetRequestParams{Wait: "30s"}); err != nil || r.StatusCode() != 200 {
		t.Errorf("waiting for the grant: %v, %v", r, err)
	}

	if err := demo.interrupt(); err != nil {
		t.Errorf("Ctrl-C: %v\n%s", err, demo.stderr)
	}
	if n := strings.Count(demo.stderr.String(), "gone, read back by curfew_observer"); n != 2 {
		t.Errorf("%d grants were read back as gone, want 2:\n%s", n, demo.stderr)
	}
	if err := session.Ping(ctx); err == nil {
		t.Error("a session survived the demo")
	}
	if _, err := os.Stat(demo.folder.path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the demo left its folder behind: %v", err)
	}
}

// With --data everything is there again, the books, the people's tokens and the database.
func TestDataIsKept(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "demo")
	// PostgreSQL, which runs as another user, must be able to pass.
	for dir := filepath.Dir(folder); strings.HasPrefix(dir, os.TempDir()) && dir != os.TempDir(); dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o711); err != nil {
			t.Fatal(err)
		}
	}
	ctx := t.Context()
	first := run(t, Options{Data: folder})
	granted, err := first.must(t, "engineer").request(ctx, readOrders, time.Hour, "x")
	if err != nil {
		t.Fatal(err)
	}
	if err := first.interrupt(); err != nil {
		t.Fatalf("Ctrl-C: %v\n%s", err, first.stderr)
	}
	second := run(t, Options{Data: folder})
	if second.folder.tokens["engineer"] != first.folder.tokens["engineer"] {
		t.Error("the engineer has another token")
	}
	engineer := second.must(t, "engineer")
	g, err := engineer.waitEnded(ctx, granted.Grants[0].ID)
	if err != nil || g.EndReason != client.GrantEndReason(access.EndRevoked) || g.VerifiedAt.IsZero() {
		t.Errorf("the first grant is %+v, %v", g, err)
	}
	if _, err := engineer.request(ctx, readOrders, time.Hour, "x"); err != nil {
		t.Errorf("the second demo grants nothing: %v", err)
	}
	if err := second.interrupt(); err != nil {
		t.Error(err)
	}
}

func TestTour(t *testing.T) {
	t.Parallel()
	var stdout, stderr syncbuf.Buffer
	if err := Run(t.Context(), Options{Tour: Postgres, Listen: "127.0.0.1:0", Stdout: &stdout, Stderr: &stderr}); err != nil {
		t.Fatalf("%v\n%s\n%s", err, &stdout, &stderr)
	}
	for _, want := range []string{"still connected", "terminating connection", "verified at", "Each of the seven steps was seen to happen."} {
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("the tour does not show %q:\n%s", want, &stdout)
		}
	}
}

// The same seven steps are seen at every target.
func TestTourOfKubernetes(t *testing.T) {
	t.Parallel()
	if err := localpeer.BuildKubernetes(t.Context(), os.Stderr); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr syncbuf.Buffer
	if err := Run(t.Context(), Options{Tour: "kubernetes", Listen: "127.0.0.1:0", Stdout: &stdout, Stderr: &stderr}); err != nil {
		t.Fatalf("%v\n%s\n%s", err, &stdout, &stderr)
	}
	for _, want := range []string{"Edsger", "403", "verified at", "No resources found", "Each of the seven steps was seen to happen."} {
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("the tour does not show %q:\n%s", want, &stdout)
		}
	}
}

func TestTourOfLDAP(t *testing.T) {
	t.Parallel()
	var stdout, stderr syncbuf.Buffer
	if err := Run(t.Context(), Options{Tour: "ldap", Listen: "127.0.0.1:0", Stdout: &stdout, Stderr: &stderr}); err != nil {
		t.Fatalf("%v\n%s\n%s", err, &stdout, &stderr)
	}
	for _, want := range []string{"Edsger", "Curfew issues none here", "verified at", "member: " + ldapNobody, "Each of the seven steps was seen to happen."} {
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("the tour does not show %q:\n%s", want, &stdout)
		}
	}
}

func TestTourOfNothing(t *testing.T) {
	for _, o := range []Options{{Tour: "mainframe"}, {Tour: "kubernetes", Data: "somewhere"}} {
		if err := Run(t.Context(), o); access.KindOf(err) != access.KindInvalid {
			t.Errorf("a tour at %q is answered with %v", o.Tour, err)
		}
	}
}

func TestTourOfRedis(t *testing.T) {
	t.Parallel()
	if !localpeer.HasRedis() {
		server, err := localpeer.StartRedis(t.Context(), localpeer.RedisOptions{Progress: os.Stderr}) // which installs it
		if err != nil {
			t.Fatal(err)
		}
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	}
	var stdout, stderr syncbuf.Buffer
	if err := Run(t.Context(), Options{Tour: "redis", Listen: "127.0.0.1:0", Stdout: &stdout, Stderr: &stderr}); err != nil {
		t.Fatalf("%v\n%s\n%s", err, &stdout, &stderr)
	}
	for _, want := range []string{"WRONGPASS", "Edsger", "the client noticed", "verified at", "users: admin, curfew, curfew_observer, default", "Each of the seven steps was seen to happen."} {
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("the tour does not show %q:\n%s", want, &stdout)
		}
	}
}

func TestTourOfMariaDB(t *testing.T) {
	t.Parallel()
	var stdout, stderr syncbuf.Buffer
	if err := Run(t.Context(), Options{Tour: "mariadb", Listen: "127.0.0.1:0", Stdout: &stdout, Stderr: &stderr}); err != nil {
		t.Fatalf("%v\n%s\n%s", err, &stdout, &stderr)
	}
	for _, want := range []string{"Edsger", "still connected", "Lost connection", "verified at", "Access denied", "Each of the seven steps was seen to happen."} {
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("the tour does not show %q:\n%s", want, &stdout)
		}
	}
}
