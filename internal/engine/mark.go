package engine

import (
	"crypto/subtle"
	"encoding/base64"
	"strings"

	"github.com/curfewhq/curfew/internal/access"
)

// markPrefix begins every mark of every installation.
const markPrefix = "curfew1"

// mark mints what is written on everything made for a grant: curfew1:INSTALLATION:TENANT:CONNECTOR:GRANT:MAC. Only this
// installation can make one that checks.
func (e *Engine) mark(conn access.ConnectorName, grant access.GrantID) access.Mark {
	parts := []string{e.cfg.Installation, string(e.cfg.Tenant), string(conn), string(grant)}
	mac := base64.RawURLEncoding.EncodeToString(e.cfg.Sealer.MAC("mark", parts...))
	return access.Mark(markPrefix + ":" + strings.Join(parts, ":") + ":" + mac)
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

// authorOf reads a mark. The grant and the connector are what a mark of ours was made for.
func (e *Engine) authorOf(m access.Mark) (who authorship, conn access.ConnectorName, grant access.GrantID) {
	parts := strings.Split(string(m), ":")
	if len(parts) != 6 || parts[0] != markPrefix || parts[1] != e.cfg.Installation || parts[2] != string(e.cfg.Tenant) {
		return byOthers, "", ""
	}
	conn, grant = access.ConnectorName(parts[3]), access.GrantID(parts[4])
	if subtle.ConstantTimeCompare([]byte(m), []byte(e.mark(conn, grant))) != 1 {
		return byNobody, "", ""
	}
	return byUs, conn, grant
}
