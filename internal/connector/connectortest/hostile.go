package connectortest

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/connector"
)

func hostileCases() []Case {
	return []Case{
		{Name: "hostile principals", needs: []Capability{ownObject}, run: hostilePrincipals},
		{Name: "hostile accounts and parameters", needs: []Capability{ownObject}, run: hostileParameters},
		{Name: "hostile resources and permissions", run: hostileEntitlements},
	}
}

// hostileNames are names that have broken quoting, length, case or sight somewhere.
func hostileNames() []string {
	return []string{
		`o'brien`, `a''b`, `say "hi"`, `a""b`, "back`tick", `trailing\`, `\'; --`, `\x27`,
		`x; DROP ROLE postgres; --`, `x'; DROP TABLE orders; --`, `x"; ALTER ROLE alice SUPERUSER; --`, `') OR 1=1 --`,
		`/* */`, `$$`, `$x$ body $x$`, `${HOME}`, `$(id)`, `%s%n%d`, `{{.}}`, `*`, `%`, `_`, `../../etc/passwd`, `a/b:c`,
		"new\nline", "carriage\rreturn", "tab\there", "nul\x00byte", "\x1b[31mred", "bad\xffutf8",
		"аlice" /* Cyrillic */, "ａｌｉｃｅ" /* full width */, "ali\u200bce", "\u202eecila", "e\u0301", "ß", "İ", "💥",
		" ", " alice", "alice ", "ALICE", "public", "none", "current_user", "postgres", "root", "-", "--help", "null",
		strings.Repeat("a", 300), strings.Repeat("é", 150), strings.Repeat(`"`, 300),
	}
}

func hostilePrincipals(l *law) {
	before := l.h.Snapshot(l.TB)
	for _, name := range hostileNames() {
		o := l.order(l.h.Entitlement)
		o.Principal = access.PrincipalID{Issuer: "https://" + name, Subject: name}
		g := l.give(o)
		when := fmt.Sprintf("with the principal %q", name)
		l.login(g, when).Close()
		l.wantUnchanged(before, when+", granted", o.Mark)
		l.revoke(g)
		l.wantGone(g, when)
		l.tidy(g)
	}
	l.wantUnchanged(before, "after all hostile principals")
}

// hostileParameters lets the driver choose: the order works as any other, or it is refused as an order that cannot
// work. Nothing else at the target changes in either case.
func hostileParameters(l *law) {
	before := l.h.Snapshot(l.TB)
	for _, name := range hostileNames() {
		inAccount, inParams := l.order(l.h.Entitlement), l.order(l.h.Entitlement)
		inAccount.Account = name
		inParams.Params = map[string]string{"note": name, name: "note"}
		for key := range l.h.Params {
			inParams.Params[key] = name
		}
		when := fmt.Sprintf("with the account or parameter %q", name)
		l.giveOrRefuse(inAccount, before, when)
		l.giveOrRefuse(inParams, before, when)
	}
	l.wantUnchanged(before, "after all hostile accounts and parameters")
}

func (l *law) giveOrRefuse(o connector.Order, before, when string) {
	l.Helper()
	p, err := l.d.Prepare(l.ctx(), o)
	if err != nil {
		l.wantImpossible(err, "Prepare "+when)
		return
	}
	p = l.stored(p)
	l.takeBackAtEnd(o, p)
	out, err := l.d.Grant(l.ctx(), o, p)
	g := granted{order: o, plan: p, outcome: out}
	switch {
	case err != nil:
		l.wantImpossible(err, "Grant "+when)
	case o.Account == l.h.Account: // as others, the harness cannot log in
		l.login(g, when).Close()
	}
	l.wantUnchanged(before, when, o.Mark)
	l.revoke(g)
	l.wantGone(g, when)
	l.tidy(g)
}

// wantImpossible fails the case unless err says that this order cannot work.
func (l *law) wantImpossible(err error, when string) {
	l.Helper()
	l.wantKind(err, when, access.KindInvalid, access.KindNotFound, access.KindMisconfigured)
}

func hostileEntitlements(l *law) {
	before := l.h.Snapshot(l.TB)
	there := map[string]bool{}
	for r, err := range l.d.Discover(l.ctx()) {
		if err != nil {
			l.Fatalf("Discover: %v", err)
		}
		there[r.Name] = true
	}
	for _, name := range append(hostileNames(), variants(l.h.Entitlement.Resource)...) {
		if there[name] {
			continue
		}
		e := l.h.Entitlement
		e.Resource = name
		_, err := l.d.Prepare(l.ctx(), l.order(e))
		l.wantImpossible(err, fmt.Sprintf("Prepare of the resource %q", name))
	}
	permissions := map[string]bool{l.h.Entitlement.Permission: true, l.h.Another.Permission: true}
	for _, name := range append(hostileNames(), variants(l.h.Entitlement.Permission)...) {
		if permissions[name] {
			continue
		}
		e := l.h.Entitlement
		e.Permission = name
		_, err := l.d.Prepare(l.ctx(), l.order(e))
		l.wantImpossible(err, fmt.Sprintf("Prepare of the permission %q", name))
	}
	l.wantUnchanged(before, "after all hostile entitlements")
}

// variants are other names that a careless comparison takes for name.
func variants(name string) []string {
	v := map[string]bool{
		"": true, name + " ": true, " " + name: true, name + "\x00": true, name + ";": true, name + "\u200b": true,
		strings.ToUpper(name): true, strings.ToLower(name): true, `"` + name + `"`: true, name[:1] + "%": true,
		strings.ReplaceAll(name, "o", "о"): true, name + strings.Repeat(" ", 300): true,
	}
	delete(v, name)
	return slices.Sorted(maps.Keys(v))
}
