package mongodbatlas

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/curfewhq/curfew/internal/access"
)

// fail gives an error of Atlas, or of the way to it, its kind. The cause keeps its status, code and detail.
func (d *driver) fail(ctx context.Context, err error, doing string) error {
	var already *access.Error
	if err == nil || errors.As(err, &already) {
		return err
	}
	say := func(kind access.Kind, what string) error {
		return access.Wrap(kind, err, fmt.Sprintf("The connector %s cannot %s: %s", d.name, doing, what))
	}
	if ctx.Err() != nil {
		return say(access.KindOf(ctx.Err()), "its time ran out or it was cancelled.")
	}
	e, answered := errors.AsType[*apiError](err)
	switch {
	case !answered:
		return say(access.KindUnavailable, "Atlas cannot be reached.")
	case e.Status == http.StatusUnauthorized:
		return say(access.KindMisconfigured, "Atlas does not know its service account. An operator must correct client_id or client_secret.")
	case e.Status == http.StatusForbidden:
		return say(access.KindMisconfigured, "its service account lacks a role, or may not call from here. An operator must correct that; the connector's page has the roles.")
	case e.Status == http.StatusNotFound:
		return say(access.KindMisconfigured, "the project or the cluster is not there.")
	case e.Status == http.StatusTooManyRequests:
		return say(access.KindExhausted, fmt.Sprintf("Atlas takes no more calls for now (Retry-After: %s). The connector's rate can be set lower.", e.retryAfter))
	case limitReached(e):
		return say(access.KindExhausted, "the project has as many database users as Atlas allows.")
	case e.Status == http.StatusConflict:
		return say(access.KindConflict, "another call changed the user at the same time.")
	case e.Status == http.StatusBadRequest:
		return say(access.KindInvalid, "Atlas refuses it: a role is not there, or the time is over or too far ahead.")
	case e.Status >= 500 || e.Status == http.StatusRequestTimeout:
		return say(access.KindUnavailable, "Atlas has a fault.")
	}
	return say(access.KindInternal, "Atlas refused it.")
}

// limitReached: Atlas' documentation names the limit and not its code, so any that says so counts.
func limitReached(e *apiError) bool {
	return e.Status == http.StatusBadRequest && slices.ContainsFunc([]string{"LIMIT", "MAX", "TOO_MANY"}, func(word string) bool { return strings.Contains(e.Code, word) })
}
