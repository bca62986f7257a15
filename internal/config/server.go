package config

import (
	"net"
	"net/url"
	"strconv"
	"strings"
)

// defaultListen is where a server listens that is not told: reachable from this machine only.
const defaultListen = "127.0.0.1:8420"

// refuseAddress notes a mistake about text that may be an address, and hides it again if it may have a password in it.
func (a *assembly) refuseAddress(path []string, msg string) {
	if n, _ := a.root.find(path...); strings.Contains(n.text, "@") {
		a.hide(path)
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
	s.Key = a.key(store)
	s.HeadFile, s.JournalFile = a.machineFiles(s.Key, store)
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
