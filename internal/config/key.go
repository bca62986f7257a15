package config

import (
	"path/filepath"
	"reflect"
	"strings"

	"github.com/curfewhq/curfew/internal/secret/awskms"
)

// key reads what wraps the data keys: the path of a key file, or a mapping that names one of the ways.
func (a *assembly) key(store Store) Key {
	at, n := keyPath("server", "key"), a.written.Server.Key
	switch {
	case n == nil && store.Path != "":
		return Key{File: besides(store.Path, ".key")}
	case n == nil && store != Store{}:
		a.complain(at, "server.key is missing: only beside an SQLite file that is named here can the key file lie unsaid; "+
			"write where it is, as in key: /etc/curfew/key")
		return Key{}
	case n == nil:
		return Key{}
	case n.kind == kindText && n.text != "":
		n.public = true
		return Key{File: a.resolve(at, n.text)}
	case n.kind != kindMapping:
		a.refuse(n, "server.key is %s: want the path of a key file, as in key: /etc/curfew/key, or a mapping with one of file, passphrase, aws_kms", n.kind)
		return Key{}
	}
	var written keySchema
	a.decode(n, reflect.ValueOf(&written).Elem(), "server.key")
	key := Key{Passphrase: written.Passphrase, AWSKMS: written.AWSKMS}
	if written.File != "" {
		key.File = a.resolve(keyPath("server", "key", "file"), written.File)
	}
	a.checkKey(at, n, key)
	return key
}

// checkKey wants exactly one of the ways, and of that what can be seen without asking anybody.
func (a *assembly) checkKey(at []string, n *node, key Key) {
	if len(n.entries) != 1 && !n.damaged() {
		a.complain(at, "server.key names %d keys: want exactly one of file, passphrase, aws_kms", len(n.entries))
		return
	}
	if key.AWSKMS == (awskms.Config{}) {
		return
	}
	if field, problem := key.AWSKMS.Check(); problem != "" {
		a.complain(append(at, "aws_kms", field), "server.key.aws_kms.%s: %s", field, problem)
	}
}

// machineFiles are the files that belong to a machine and not to the store: the head of the audit log, and the journal.
func (a *assembly) machineFiles(key Key, store Store) (head, journal string) {
	at := keyPath("server", "head")
	switch written := a.written.Server.Head; {
	case written != "":
		head = a.resolve(at, written)
	case key.File != "":
		head = besides(key.File, ".head")
	case key == Key{}:
		return "", "" // which is a mistake, and told already
	case store.Path != "":
		head = besides(store.Path, ".head")
	default:
		a.complain(at, "server.head is missing: there is no key file or SQLite file beside which the head of the audit log could lie unsaid; "+
			"write where this machine keeps it, as in head: /var/lib/curfew/curfew.head")
		return "", ""
	}
	if key.File != "" {
		return head, besides(key.File, ".journal")
	}
	return head, besides(head, ".journal")
}

// besides is the path of a file with another ending.
func besides(path, ending string) string {
	return strings.TrimSuffix(path, filepath.Ext(path)) + ending
}
