package config

import (
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"github.com/curfewhq/curfew/internal/secret"
)

// Store says where the books are kept: one of its fields is set.
type Store struct {
	// Path is the SQLite file, already resolved against the folder of the configuration.
	Path string
	// URL is the address of a PostgreSQL database: postgres://….
	URL string
	// Ref leads to an address that may hold a password.
	Ref secret.Ref
	// folder is what a relative path behind Ref is relative to.
	folder string
}

// Resolve follows Ref. What it returns has a Path or a URL, which may hold a password: open it and forget it.
func (s Store) Resolve() (Store, error) {
	if s.Ref == "" {
		return s, nil
	}
	address, err := s.Ref.Resolve()
	if err != nil {
		return Store{}, err
	}
	found, err := parseStore(address)
	if err != nil {
		return Store{}, fmt.Errorf("%s leads to no store: %w", s.Ref, err)
	}
	if found.Path != "" && !filepath.IsAbs(found.Path) {
		found.Path = filepath.Join(s.folder, found.Path)
	}
	return found, nil
}

// parseStore reads sqlite:PATH or postgres://…. Its errors never repeat the text.
func parseStore(address string) (Store, error) {
	scheme, rest, _ := strings.Cut(address, ":")
	switch scheme {
	case "sqlite":
		if rest == "" || strings.HasPrefix(rest, ":memory:") || strings.ContainsAny(rest, "?#\x00") {
			return Store{}, errors.New("sqlite: wants the path of a file, as in sqlite:./curfew.db")
		}
		return Store{Path: rest}, nil
	case "postgres", "postgresql":
		if _, err := url.Parse(address); err != nil || !strings.HasPrefix(rest, "//") {
			return Store{}, errors.New("the address cannot be read; want postgres://USER@HOST:PORT/DATABASE")
		}
		return Store{URL: address}, nil
	}
	return Store{}, errors.New("the store is not of a known kind; want sqlite:PATH, as in sqlite:./curfew.db, or env:NAME or file:PATH, which lead to postgres://…")
}

// ParseStore reads where a store is from a command line: sqlite:PATH, postgres://… without a password, which every user
// of the machine would see among the arguments of processes, or a reference to an address (env:NAME, file:PATH). Its
// errors never repeat the text.
func ParseStore(written string) (Store, error) {
	if scheme, _, _ := strings.Cut(written, ":"); scheme == "env" || scheme == "file" {
		ref, err := secret.ParseRef(written)
		return Store{Ref: ref}, err
	}
	s, err := parseStore(written)
	if err == nil && s.URL != "" && holdsPassword(s.URL) {
		return Store{}, errors.New("a password does not belong among a program's arguments, where everybody sees it: put the whole address into an environment variable or a file, and write env:NAME or file:PATH")
	}
	return s, err
}

// holdsPassword reports whether an address that parseStore has read has a password anywhere.
func holdsPassword(address string) bool {
	u, err := url.Parse(address)
	if err != nil {
		return true
	}
	_, found := u.User.Password()
	for key := range u.Query() {
		found = found || slices.Contains([]string{"password", "sslpassword"}, strings.ToLower(key))
	}
	return found
}

func (a *assembly) store() Store {
	written := a.written.Store
	at := keyPath("store")
	switch scheme, _, _ := strings.Cut(written, ":"); {
	case written == "":
		a.complain(at, "store is missing: write where the books are kept, as in store: sqlite:./curfew.db")
		return Store{}
	case scheme == "env" || scheme == "file":
		return a.storeBehind(at, written)
	}
	s, err := parseStore(written)
	switch {
	case err != nil:
		if !strings.HasPrefix(written, "sqlite:") {
			a.hide(at) // it may be a password, or hold one
		}
		a.complain(at, "%v", err)
		return Store{}
	case s.URL != "" && holdsPassword(s.URL):
		a.hide(at)
		a.complain(at, "a password is never written here itself, where everybody reads it who reads the configuration, its history and its backups: "+
			"write store: env:NAME or store: file:PATH, and put the whole address there")
		return Store{}
	case s.Path != "":
		s.Path = a.resolve(at, s.Path)
	}
	return s
}

// storeBehind takes a reference to the store's address.
func (a *assembly) storeBehind(at []string, written string) Store {
	n, _ := a.root.find(at...)
	ref, err := secret.ParseRef(written)
	if err != nil {
		a.hide(at)
		a.complain(at, "store: %v", err)
		return Store{}
	}
	if path, ok := strings.CutPrefix(string(ref), "file:"); ok {
		ref = secret.Ref("file:" + n.at.src.resolve(path))
	}
	return Store{Ref: ref, folder: n.at.src.resolve("")}
}

// checkStore tries the reference to the store's address. What it leads to is forgotten at once.
func (a *assembly) checkStore(s Store) {
	if _, err := s.Resolve(); err != nil {
		a.complain(keyPath("store"), "%v", err)
	}
}

// hide takes back that the text at the path may be shown.
func (a *assembly) hide(path []string) {
	n, _ := a.root.find(path...)
	n.public = false
}
