package config

import (
	"net"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/delivery"
	"github.com/curfewhq/curfew/internal/outbound"
	"github.com/curfewhq/curfew/internal/secret"
)

// Bounds of destinations.
const (
	maxDestinations = 20
	minEvery        = time.Second
	maxEvery        = 24 * time.Hour
	maxAddressBytes = 2048
)

// Audit says where the audit log goes.
type Audit struct {
	// Witnesses keep its checkpoints, in file order.
	Witnesses []Witness
	// Streams are sent its entries, in file order.
	Streams []Stream
}

// Witness is a place outside that keeps signed checkpoints: exactly one of File, Webhook and Git is set.
type Witness struct {
	// Name is what its cursor goes by.
	Name string
	// Every is how often it is given a checkpoint at most.
	Every time.Duration
	// File is the path of a file, already resolved.
	File string
	// Webhook is a URL without a secret in it; Token leads to a bearer token, or is empty.
	Webhook string
	Token   secret.Ref
	// Git is the address of a repository, or its path, already resolved. SSHKey leads to the private key to reach it with, and
	// KnownHosts is the file that says which servers to believe; both are empty where Git needs none.
	Git        string
	SSHKey     secret.Ref
	KnownHosts string
}

// Stream is a receiver of entries: exactly one of Webhook and Syslog is set.
type Stream struct {
	// Name is what its cursor goes by.
	Name string
	// Webhook is a URL without a secret in it; Secret leads to the key that signs what is sent.
	Webhook string
	Secret  secret.Ref
	// Syslog is the address of a log server: tcp+tls://HOST:PORT, unix:///PATH, and on this machine tcp:// and udp:// as well.
	Syslog string
	// CA is the path of a file of certificates to believe in place of the system's; empty leaves it at those.
	CA string
	// Format is json or ocsf.
	Format string
	// Impersonal leaves out the names and the words of people.
	Impersonal bool
}

// audit checks where the audit log goes.
func (a *assembly) audit(store Store) Audit {
	var out Audit
	names := map[string]bool{}
	if n := len(a.written.Audit.Witnesses) + len(a.written.Audit.Streams); n > maxDestinations {
		a.complain(keyPath("audit"), "%d witnesses and streams are more than %d", n, maxDestinations)
		return out
	}
	for i, w := range a.written.Audit.Witnesses {
		at := keyPath("audit", "witnesses", i)
		a.destinationName(at, w.Name, names)
		out.Witnesses = append(out.Witnesses, a.witness(at, w, store))
	}
	for i, s := range a.written.Audit.Streams {
		at := keyPath("audit", "streams", i)
		a.destinationName(at, s.Name, names)
		out.Streams = append(out.Streams, a.stream(at, s))
	}
	return out
}

// under is the path of a key below another, which stays as it is.
func under(at []string, key string) []string { return append(slices.Clone(at), key) }

// destinationName holds a name against the alphabet of connectors' names, which labels of metrics have too.
func (a *assembly) destinationName(at []string, name string, taken map[string]bool) {
	at = under(at, "name")
	switch {
	case name == "":
		a.complain(at, "name is missing: it stands for the destination in metrics and in the log, and how far it was served is remembered by it")
	case access.ConnectorName(name).Validate() != nil:
		a.complain(at, "name %s: want 1 to 63 of a-z 0-9 -", quote(name))
	case taken[name]:
		a.complain(at, "name %s is that of two destinations; each has its own", quote(name))
	}
	taken[name] = true
}

// oneOf complains unless exactly one of the keys is written, and returns it.
func (a *assembly) oneOf(at []string, written map[string]string) string {
	var found []string
	for _, key := range []string{"file", "webhook", "git", "syslog"} {
		if written[key] != "" {
			found = append(found, key)
		}
	}
	if len(found) == 0 && !a.intact(at...) {
		return "" // it may be the key that was not understood
	}
	if len(found) != 1 {
		known := "file, webhook or git"
		if _, stream := written["syslog"]; stream {
			known = "webhook or syslog"
		}
		a.complain(at, "want exactly one of %s, which says where it is", known)
		return ""
	}
	if len(written[found[0]]) > maxAddressBytes {
		a.complain(under(at, found[0]), "%s has more than %d bytes", found[0], maxAddressBytes)
		return ""
	}
	return found[0]
}

// onlyWith complains about keys that mean nothing beside what was written.
func (a *assembly) onlyWith(at []string, kind string, keys map[string]bool, wants map[string][]string) {
	for _, key := range []string{"token", "ssh_key", "known_hosts", "secret", "ca"} {
		if keys[key] && kind != "" && !slices.Contains(wants[kind], key) {
			a.complain(under(at, key), "%s means nothing beside %s: remove it", key, kind)
		}
	}
}

func (a *assembly) witness(at []string, w witnessSchema, store Store) Witness {
	out := Witness{Name: w.Name, Every: delivery.DefaultEvery, Token: w.Token, SSHKey: w.SSHKey}
	if w.Every != nil {
		out.Every = *w.Every
		if out.Every < minEvery || out.Every > maxEvery {
			a.complain(under(at, "every"), "every %s: want 1s to 24h", out.Every)
		}
	}
	kind := a.oneOf(at, map[string]string{"file": w.File, "webhook": w.Webhook, "git": w.Git})
	a.onlyWith(at, kind, map[string]bool{"token": w.Token != "", "ssh_key": w.SSHKey != "", "known_hosts": w.KnownHosts != ""},
		map[string][]string{"webhook": {"token"}, "git": {"ssh_key", "known_hosts"}})
	where := under(at, kind)
	switch kind {
	case "file":
		out.File = a.resolve(where, w.File)
		if store.Path != "" && sameFolder(out.File, store.Path) {
			a.complain(where, "the witness is in the folder of the store: who can change the one can change the other; name a place that others look after")
		}
	case "webhook":
		out.Webhook = w.Webhook
		a.webhook(where, w.Webhook)
	case "git":
		out.Git = a.git(at, w)
		if w.KnownHosts != "" {
			out.KnownHosts = a.resolve(under(at, "known_hosts"), w.KnownHosts)
		}
	}
	return out
}

// sameFolder reports whether two paths are in one folder, as far as their texts tell.
func sameFolder(one, other string) bool {
	a, errA := filepath.Abs(one)
	b, errB := filepath.Abs(other)
	return errA == nil && errB == nil && filepath.Dir(a) == filepath.Dir(b)
}

func (a *assembly) webhook(at []string, raw string) {
	if err := outbound.CheckURL(raw); err != nil {
		a.hide(at)
		a.complain(at, "webhook: %v", err)
	}
}

// git checks the address of a repository: a path, or a URL of a kind that is encrypted or this machine's. Git's other form,
// USER@HOST:PATH, and its helpers (ext::…) are refused, since they are easily taken for a path, or run programs.
func (a *assembly) git(at []string, w witnessSchema) string {
	where := under(at, "git")
	switch scheme, rest, found := strings.Cut(w.Git, "://"); {
	case strings.HasPrefix(w.Git, "-") || strings.ContainsAny(w.Git, "\x00\r\n"):
		a.complain(where, "git: a path or an address does not begin with a dash, and has one line")
	case !found && strings.Contains(w.Git, ":"):
		a.complain(where, "git: want a path, or ssh://USER@HOST/PATH, https://HOST/PATH or git://127.0.0.1/PATH")
	case !found:
		return a.resolve(where, w.Git)
	case scheme == "ssh":
		u, err := url.Parse(w.Git)
		if err != nil || u.Hostname() == "" || strings.HasPrefix(u.Hostname(), "-") {
			a.complain(where, "git: want ssh://USER@HOST/PATH")
		} else if _, password := u.User.Password(); password {
			a.hide(where)
			a.complain(where, "git: a password is never written here itself; log in with ssh_key")
		}
	case scheme == "https" || scheme == "http":
		a.webhook(where, w.Git)
	case scheme == "git":
		host, _, _ := strings.Cut(rest, "/")
		if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		}
		if !outbound.IsLoopbackHost(strings.Trim(host, "[]")) {
			a.complain(where, "git:// is for this machine alone: want ssh:// or https://")
		}
	default:
		a.complain(where, "git: want a path, or ssh://USER@HOST/PATH, https://HOST/PATH or git://127.0.0.1/PATH")
	}
	return w.Git
}

func (a *assembly) stream(at []string, s streamSchema) Stream {
	out := Stream{Name: s.Name, Webhook: s.Webhook, Secret: s.Secret, Syslog: s.Syslog, Format: s.Format}
	kind := a.oneOf(at, map[string]string{"webhook": s.Webhook, "syslog": s.Syslog})
	a.onlyWith(at, kind, map[string]bool{"secret": s.Secret != "", "ca": s.CA != ""}, map[string][]string{"webhook": {"secret"}, "syslog": {"ca"}})
	where := under(at, kind)
	switch kind {
	case "webhook":
		a.webhook(where, s.Webhook)
		if s.Secret == "" {
			a.complain(under(at, "secret"), "secret is missing: without a signature the receiver cannot tell Curfew from others; write secret: env:NAME or secret: file:PATH")
		}
	case "syslog":
		a.syslog(where, s.Syslog)
	}
	if s.CA != "" {
		out.CA = a.resolve(under(at, "ca"), s.CA)
	}
	switch s.Format {
	case "":
		out.Format = "json"
	case "json", "ocsf":
	default:
		a.complain(under(at, "format"), "format is json or ocsf, not %s", quote(s.Format))
	}
	out.Impersonal = s.Personal != nil && !*s.Personal
	return out
}

func (a *assembly) syslog(at []string, raw string) {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		a.refuseAddress(at, "syslog: want tcp+tls://HOST:PORT or unix:///PATH")
	case u.Scheme == "unix":
		if u.Host != "" || !strings.HasPrefix(u.Path, "/") {
			a.complain(at, "syslog: want unix:///PATH, with three slashes")
		}
	case !slices.Contains([]string{"tcp+tls", "tcp", "udp"}, u.Scheme) || u.Hostname() == "" || u.Port() == "" || u.Path != "":
		a.complain(at, "syslog: want tcp+tls://HOST:PORT or unix:///PATH; on this machine tcp://HOST:PORT and udp://HOST:PORT as well")
	case u.Scheme != "tcp+tls" && !outbound.IsLoopbackHost(u.Hostname()):
		a.complain(at, "syslog: %s:// is for this machine alone, since nothing encrypts it: want tcp+tls://", u.Scheme)
	}
}
