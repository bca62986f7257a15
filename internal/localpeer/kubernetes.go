package localpeer

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"syscall"
)

// KubernetesOptions say how to start Kubernetes. The zero value is a cluster without people.
type KubernetesOptions struct {
	// Users are people whom the cluster knows, as it would know those of an identity provider, each with a bearer token.
	Users map[string]string
	// Progress gets a line when something has to be installed or built. Nil discards it.
	Progress io.Writer
}

// Kubernetes is a private API server of Kubernetes with a store of its own, on loopback ports. It runs no nodes and no controllers: what
// it is asked to keep it keeps, and who may do what it decides as in any cluster. It dies with this process. Its methods are
// safe for concurrent use.
type Kubernetes struct {
	server
	etcd       *server
	program    string
	adminToken string
}

const (
	kubernetesTokens = "tokens.csv"
	kubernetesKey    = "server.key"
	kubernetesIssuer = "https://kubernetes.default.svc"
)

func apiServer() goPeer { return goPeer{name: "kubernetes", program: "kube-apiserver"} }

// HasKubernetes reports whether StartKubernetes would have nothing to build or install.
func HasKubernetes() bool {
	_, built := apiServer().built()
	return built && isFile(etcdProgram)
}

// BuildKubernetes builds the API server, which takes minutes, unless that was done before.
func BuildKubernetes(ctx context.Context, progress io.Writer) error {
	_, err := apiServer().need(ctx, progress)
	return err
}

// StartKubernetes starts a cluster and returns when its administrator is served. The context bounds the start, what has to be
// built included, not the life of the cluster; the caller must Stop it.
func StartKubernetes(ctx context.Context, o KubernetesOptions) (*Kubernetes, error) {
	if o.Progress == nil {
		o.Progress = io.Discard
	}
	program, err := apiServer().need(ctx, o.Progress)
	if err != nil {
		earlier, ok := apiServer().built()
		if !ok {
			return nil, err
		}
		program = earlier // there is no source here
	}
	etcd, err := startEtcd(ctx, o.Progress)
	if err != nil {
		return nil, err
	}
	f, err := openFolder("", nil)
	if err != nil {
		return nil, errors.Join(err, etcd.Stop())
	}
	k := &Kubernetes{server: server{folder: f}, etcd: etcd, program: program, adminToken: rand.Text()}
	k.recipe = recipe{
		name: "Kubernetes", command: k.command, ready: k.ping, portTaken: "address already in use",
		polite: syscall.SIGTERM, abrupt: syscall.SIGKILL,
	}
	if err := errors.Join(k.writeTokens(o.Users), writeCertificate(k.CAFile(), f.join(kubernetesKey))); err != nil {
		return nil, errors.Join(err, f.close(), etcd.Stop())
	}
	if err := k.start(ctx); err != nil {
		return nil, errors.Join(err, f.close(), etcd.Stop())
	}
	return k, nil
}

// writeTokens writes who is who: the administrator, whom no rule binds, and the people.
func (k *Kubernetes) writeTokens(users map[string]string) error {
	lines := []string{fmt.Sprintf("%s,admin,admin,system:masters", k.adminToken)}
	for _, name := range slices.Sorted(maps.Keys(users)) {
		lines = append(lines, fmt.Sprintf("%s,%s,%s", users[name], quotedCSV(name), quotedCSV(name)))
	}
	return os.WriteFile(k.folder.join(kubernetesTokens), []byte(strings.Join(lines, "\n")+"\n"), 0o600)
}

func quotedCSV(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }

func (k *Kubernetes) command(port int) []string {
	key := k.folder.join(kubernetesKey)
	return []string{
		k.program, fmt.Sprint("--secure-port=", port), "--bind-address=127.0.0.1", "--etcd-servers=http://" + k.etcd.Addr(),
		"--tls-cert-file=" + k.CAFile(), "--tls-private-key-file=" + key, "--cert-dir=" + k.folder.path,
		"--authorization-mode=RBAC", "--token-auth-file=" + k.folder.join(kubernetesTokens),
		"--service-account-issuer=" + kubernetesIssuer, "--service-account-key-file=" + k.CAFile(), // of which it takes the public key
		"--service-account-signing-key-file=" + key, "--service-cluster-ip-range=10.0.0.0/24",
		// Its controller, which would make the accounts that pods want, does not run.
		"--disable-admission-plugins=ServiceAccount", "--v=0",
	}
}

// ping asks, as the administrator, for what the server makes at its first start: an account that only it knows, and roles.
func (k *Kubernetes) ping(ctx context.Context, port int) error {
	client, err := k.Client()
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	for _, path := range []string{"/readyz", "/api/v1/namespaces/kube-system", "/apis/rbac.authorization.k8s.io/v1/clusterroles/view"} {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+addr(port)+path, nil)
		if err != nil {
			return err
		}
		request.Header.Set("Authorization", "Bearer "+k.adminToken)
		response, err := client.Do(request)
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, response.Body)
		if err = errors.Join(err, response.Body.Close()); err != nil {
			return err
		}
		if response.StatusCode != http.StatusOK {
			return fmt.Errorf("%s: %s", path, response.Status)
		}
	}
	return nil
}

// Client trusts the server's certificate.
func (k *Kubernetes) Client() (*http.Client, error) {
	pem, err := os.ReadFile(k.CAFile())
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}}, nil
}

// URL is where it listens.
func (k *Kubernetes) URL() string { return "https://" + k.Addr() }

// CAFile is the certificate that its own is checked against: its own.
func (k *Kubernetes) CAFile() string { return k.folder.join("server.crt") }

// AdminToken is the bearer token of the administrator, who may do everything.
func (k *Kubernetes) AdminToken() string { return k.adminToken }

// Stop ends the API server and its store, and removes what they kept. Further calls do nothing.
func (k *Kubernetes) Stop() error { return errors.Join(k.server.Stop(), k.etcd.Stop()) }
