package crash

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/api/client"
	"github.com/curfewhq/curfew/internal/curfewdtest"
)

// returnDuringActivation gives a grant back while the target is being asked, so that the activation comes too late and
// undoes itself.
func (l *life) returnDuringActivation() {
	l.Helper()
	hold := filepath.Join(l.company.Folder, holdFile)
	if err := os.WriteFile(hold, nil, 0o600); err != nil {
		l.Fatal(err)
	}
	request := l.submit("read")
	grant := l.grantOf(request, "wait for the activation", access.GrantScheduled)
	l.step("return during activation", func() error {
		r, err := l.as("alice").ReturnGrantWithResponse(l.ctx, grant)
		return done(err, r)
	})
	if err := os.Remove(hold); err != nil {
		l.Fatal(err)
	}
	l.ended(grant, access.EndReturned)
}

// expireWithoutTheStore lets a grant expire while the store is away, and waits until that was journalled. A child that
// died meanwhile has nothing at hand any more.
func (l *life) expireWithoutTheStore() {
	l.Helper()
	folder := l.company.Folder
	grant := l.active(l.submit("read"))
	away := filepath.Join(folder, awayFile)
	if err := os.WriteFile(away, nil, 0o600); err != nil {
		l.Fatal(err)
	}
	for waited, child := 0, l.child; waited < 500 && child.Alive(); waited++ {
		if info, err := os.Stat(filepath.Join(folder, "curfew.journal")); err == nil && info.Size() > 0 {
			break
		}
		<-time.After(20 * time.Millisecond)
	}
	if err := os.Remove(away); err != nil {
		l.Fatal(err)
	}
	l.ended(grant, access.EndExpired)
}

// attest removes what a grant made behind Curfew's back, and has two administrators say so.
func (l *life) attest(grant string) {
	l.Helper()
	for _, r := range l.roles("") {
		if string(r.Grant) == grant {
			if _, err := curfewdtest.Connect(l.T, l.pg.SuperuserDSN("postgres")).Exec(l.ctx, "DROP ROLE "+pgx.Identifier{r.Name}.Sanitize()); err != nil {
				l.Fatal(err)
			}
		}
	}
	for _, who := range []string{"carol", "dave"} {
		l.step("attest as "+who, func() error {
			r, err := l.as(who).AttestGrantWithResponse(l.ctx, grant, client.RevokeBody{Reason: "the target is scrap"})
			if err == nil && r.StatusCode() == http.StatusConflict && !l.attested(who, r.Body) {
				return errTryAgain // it is not yet past its deadline
			}
			return done(err, r, http.StatusConflict)
		})
	}
	l.step("wait for the attested end", func() error {
		r, err := l.as("alice").GetGrantWithResponse(l.ctx, grant)
		if err := done(err, r); err != nil {
			return err
		}
		var g client.Grant
		if err := json.Unmarshal(r.Body, &g); err != nil {
			return err
		}
		if access.EndReason(g.EndReason) != access.EndAttested || !g.VerifiedAt.IsZero() {
			return fmt.Errorf("the grant is %s (%s), verified %s", g.State, g.EndReason, g.VerifiedAt)
		}
		return nil
	})
}

// attested reports whether a conflict says that an attestation before a death was kept.
func (l *life) attested(who string, body []byte) bool {
	return strings.Contains(string(body), "already") || (who == "dave" && strings.Contains(string(body), "is ended"))
}

// extend extends a grant, and waits until the target has it.
func (l *life) extend(grant string) {
	l.Helper()
	l.step("extend", func() error {
		r, err := l.as("alice").ExtendGrantWithResponse(l.ctx, grant, client.ExtendBody{Duration: "10m"})
		if err == nil && r.StatusCode() == http.StatusConflict && strings.Contains(string(r.Body), "under way") {
			return errTryAgain // the first attempt to grant failed, and may still arrive
		}
		return done(err, r, http.StatusConflict)
	})
	l.step("wait for the extension", func() error {
		r, err := l.as("alice").GetGrantWithResponse(l.ctx, grant)
		if err := done(err, r); err != nil {
			return err
		}
		var g client.Grant
		if err := json.Unmarshal(r.Body, &g); err != nil {
			return err
		}
		if !g.ExtendTo.IsZero() || g.Duration == "10m0s" {
			return errTryAgain
		}
		return nil
	})
}

// freeze freezes the connector, and returns what lifts that.
func (l *life) freeze() (lift func()) {
	l.Helper()
	var id string
	l.step("freeze", func() error {
		r, err := l.as("carol").FreezeWithResponse(l.ctx, client.RevocationBody{Connector: "db", Reason: "a drill"})
		if err := done(err, r); err != nil {
			return err
		}
		return json.Unmarshal(r.Body, &struct{ ID *string }{&id})
	})
	return func() {
		l.Helper()
		l.step("lift the freeze", func() error {
			r, err := l.as("carol").LiftFreezeWithResponse(l.ctx, id, client.RevokeBody{Reason: "the drill is over"})
			return done(err, r, http.StatusNotFound)
		})
	}
}
