package mongodb

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/curfewhq/curfew/internal/access"
)

// The codes of errors that we tell apart (the server's error_codes.yml).
const (
	codeUserNotFound         = 11
	codeUnauthorized         = 13
	codeAuthenticationFailed = 18
	codeRoleNotFound         = 31
	codeMaxTimeExpired       = 50
	codeCommandNotFound      = 59
	codeWriteConcernFailed   = 64
	codeNoReplication        = 76
	codeNotAReplicaSet       = 123
	codeUserExists           = 51003
)

// codeOf is the server's code, or 0.
func codeOf(err error) int {
	var command mongo.CommandError
	var write mongo.WriteException
	switch {
	case errors.As(err, &command):
		return int(command.Code)
	case errors.As(err, &write) && write.WriteConcernError != nil:
		return write.WriteConcernError.Code
	}
	return 0
}

// fail gives an error of the server, or of the way to it, its kind. The cause keeps the server's code and message.
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
	if errors.Is(err, errBlind) {
		return say(access.KindMisconfigured, "its account does not see what must be there. An operator must correct its privileges; the connector's page has the role.")
	}
	switch codeOf(err) {
	case codeUnauthorized:
		return say(access.KindMisconfigured, "its account lacks a privilege. An operator must grant it; the connector's page has the role.")
	case codeAuthenticationFailed:
		return say(access.KindMisconfigured, "the server refuses the log-in of its account. An operator must correct the connection string.")
	case codeRoleNotFound:
		return say(access.KindMisconfigured, "a role is not there. An operator must make it, or change the connector's permissions.")
	case codeNoReplication, codeNotAReplicaSet, codeCommandNotFound:
		return say(access.KindMisconfigured, "the server is no member of a replica set. One member is enough; of a sharded cluster the connector is not made for. The connector's page says why.")
	case codeMaxTimeExpired:
		return say(access.KindTimeout, "the server took too long.")
	case codeWriteConcernFailed:
		return say(access.KindUnavailable, "most members of the replica set have not confirmed it in time.")
	}
	if server := mongo.ServerError(nil); errors.As(err, &server) && !mongo.IsNetworkError(err) && !mongo.IsTimeout(err) &&
		!slices.ContainsFunc(unsteady(), server.HasErrorCode) {
		return say(access.KindInternal, "the server refused it.")
	}
	return say(access.KindUnavailable, "the primary of the replica set cannot be reached.")
}

// unsteady are the codes by which a server says that it is no primary any more or not yet, or going down.
func unsteady() []int { return []int{91, 134, 189, 10107, 11600, 11602, 13435, 13436} }
