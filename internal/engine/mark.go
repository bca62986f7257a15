package engine

import (
	"context"
	"encoding/base64"
	"strings"

	"github.com/curfewhq/curfew/internal/access"
)

// markPrefix begins every mark of every installation.
const markPrefix = "curfew1"

// macText is how the MAC of a mark is written: each MAC has one text.
func macText() *base64.Encoding { return base64.RawURLEncoding.Strict() }

// mark mints what is written on everything made for a grant: curfew1:INSTALLATION:TENANT:CONNECTOR:GRANT:MAC. Only this
// installation can make one that verifies. The generation of the keys is the one under which the grant began, so that its
// mark stays the same for as long as it lives; 0 is the newest.
func (e *Engine) mark(ctx context.Context, conn access.ConnectorName, grant access.GrantID, generation int) (access.Mark, error) {
	if generation == 0 {
		generation = e.cfg.Sealer.Generation()
	}
	parts := e.markParts(conn, grant)
	mac, err := e.macUnder(ctx, generation, "mark", parts...)
	if err != nil {
		return "", err
	}
	return access.Mark(markPrefix + ":" + strings.Join(parts, ":") + ":" + macText().EncodeToString(mac)), nil
}

func (e *Engine) markParts(conn access.ConnectorName, grant access.GrantID) []string {
	return []string{e.cfg.Installation, string(e.cfg.Tenant), string(conn), string(grant)}
}

// authorship says whose a mark is.
type authorship int

const (
	// byOthers: another installation or tenant made it, or nobody of ours could have.
	byOthers authorship = iota
	// byNobody: it claims to be ours, and its MAC is wrong.
	byNobody
	// byUs: this installation made it for this tenant.
	byUs
)

// author is what a mark of ours was made for, and the generation of the keys that has authenticated it.
type author struct {
	connector  access.ConnectorName
	grant      access.GrantID
	generation int
}

// authorOf reads a mark. The author is that of a mark of ours, and zero otherwise.
func (e *Engine) authorOf(m access.Mark) (authorship, author) {
	parts := strings.Split(string(m), ":")
	if len(parts) != 6 || parts[0] != markPrefix || parts[1] != e.cfg.Installation || parts[2] != string(e.cfg.Tenant) {
		return byOthers, author{}
	}
	by := author{connector: access.ConnectorName(parts[3]), grant: access.GrantID(parts[4])}
	mac, err := macText().DecodeString(parts[5])
	if err != nil {
		return byNobody, author{}
	}
	by.generation = e.cfg.Sealer.VerifyMAC(mac, "mark", e.markParts(by.connector, by.grant)...)
	if by.generation == 0 {
		return byNobody, author{}
	}
	return byUs, by
}
