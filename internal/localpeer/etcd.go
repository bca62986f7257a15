package localpeer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"syscall"
)

// etcdProgram is where Debian puts it.
const etcdProgram = "/usr/bin/etcd"

// startEtcd starts a store of one member that forgets everything when it stops.
func startEtcd(ctx context.Context, progress io.Writer) (*server, error) {
	program, err := NeedProgram(ctx, progress, "etcd", "etcd-server")
	if err != nil {
		return nil, err
	}
	f, err := openFolder("", nil)
	if err != nil {
		return nil, err
	}
	peers, err := freePort(ctx)
	if err != nil {
		return nil, errors.Join(err, f.close())
	}
	s := &server{folder: f}
	s.recipe = recipe{
		name: "etcd", ready: pingEtcd, portTaken: "address already in use", polite: syscall.SIGTERM, abrupt: syscall.SIGKILL,
		command: func(port int) []string {
			clients, peers := "http://"+addr(port), "http://"+addr(peers)
			return []string{
				program, "--data-dir=" + f.join("data"), "--unsafe-no-fsync",
				"--listen-client-urls=" + clients, "--advertise-client-urls=" + clients,
				"--listen-peer-urls=" + peers, "--initial-advertise-peer-urls=" + peers, "--initial-cluster=default=" + peers,
			}
		},
	}
	if err := s.start(ctx); err != nil {
		return nil, errors.Join(err, f.close())
	}
	return s, nil
}

func pingEtcd(ctx context.Context, port int) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr(port)+"/health", nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, response.Body)
	if err = errors.Join(err, response.Body.Close()); err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("etcd is not healthy: %s", response.Status)
	}
	return nil
}
