package engine

import (
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
