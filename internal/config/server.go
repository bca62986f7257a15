package config

import (
	"net"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
)

// defaultListen is where a server listens that is not told: reachable from this machine only.
const defaultListen = "127.0.0.1:8420"

func (a *assembly) store() Store {
	written := a.written.Store
	scheme, file, _ := strings.Cut(written, ":")
	at := keyPath("store")
	switch {
	case written == "":
		a.complain(at, "store is missing: write where the books are kept, as in store: sqlite:./curfew.db")
	case scheme == "postgres" || scheme == "postgresql":
		a.refuseAddress(at, "a store on PostgreSQL is not built yet; want sqlite:PATH, as in sqlite:./curfew.db")
	case scheme != "sqlite":
		a.refuseAddress(at, "the store is not of a known kind; want sqlite:PATH, as in sqlite:./curfew.db")
	case file == "" || strings.HasPrefix(file, ":memory:") || strings.ContainsAny(file, "?#"):
		a.complain(at, "store %s: want the path of a file, as in sqlite:./curfew.db", quote(written))
	default:
		return Store{Path: a.resolve(at, file)}
	}
	return Store{}
}

// refuseAddress notes a mistake about text that may be an address, and hides it again if it may have a password in it.
func (a *assembly) refuseAddress(path []string, msg string) {
	if n, _ := a.root.find(path...); strings.Contains(n.text, "@") {
		n.public = false
	}
	a.complain(path, "%s", msg)
}

// resolve makes a path relative to the file that it is written in.
func (a *assembly) resolve(at []string, file string) string {
	n, _ := a.root.find(at...)
	return n.at.src.resolve(file)
}

func (a *assembly) server(store Store) Server {
	s := Server{Listen: a.written.Server.Listen, URL: strings.TrimSuffix(a.written.Server.URL, "/")}
	if s.Listen == "" {
		s.Listen = defaultListen
	}
	if key := a.written.Server.Key; key != "" {
		s.KeyFile = a.resolve(keyPath("server", "key"), key)
	} else {
		s.KeyFile = strings.TrimSuffix(store.Path, filepath.Ext(store.Path)) + ".key"
	}
	secure := a.checkURL(s.URL)
	a.checkListen(s.Listen, secure)
	return s
}

// checkURL reports whether the URL is one of TLS.
func (a *assembly) checkURL(raw string) bool {
	if raw == "" {
		return false
	}
	at := keyPath("server", "url")
	u, err := url.Parse(raw)
	switch {
	case err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "":
		a.refuseAddress(at, "the server's url wants the form https://HOST or http://HOST:PORT")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		a.refuseAddress(at, "the server's url has no place for a user, a query or a fragment; want https://HOST")
	}
	return err == nil && u.Scheme == "https"
}

func (a *assembly) checkListen(listen string, secure bool) {
	at := keyPath("server", "listen")
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		a.complain(at, "listen %s: want HOST:PORT, as in %s", quote(listen), defaultListen)
		return
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		a.complain(at, "listen %s: the port is a number from 0 to 65535", quote(listen))
		return
	}
	loopback := host == "localhost"
	if ip := net.ParseIP(host); ip != nil {
		loopback = ip.IsLoopback()
	}
	if !loopback && !secure {
		a.complain(at, "listen %s can be reached from other machines, and Curfew does not terminate TLS itself: "+
			"listen on 127.0.0.1, or put a proxy with TLS before it and write its address as server.url: https://…", quote(listen))
	}
}
