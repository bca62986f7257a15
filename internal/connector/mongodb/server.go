package mongodb

import (
	"context"
	"errors"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/curfewhq/curfew/internal/access"
)

// replicaSet is the ID that a replica set was given when it was initiated. A copy of its data elsewhere has another one.
func (a *account) replicaSet(ctx context.Context) (string, error) {
	var answer struct {
		Config struct {
			Settings struct {
				ID bson.ObjectID `bson:"replicaSetId"`
			} `bson:"settings"`
		} `bson:"config"`
	}
	err := a.run(ctx, admin, bson.D{{Key: "replSetGetConfig", Value: 1}}, &answer)
	return answer.Config.Settings.ID.Hex(), err
}

// at fails unless the account is at the replica set for which a plan was made.
func (d *driver) at(ctx context.Context, a *account, v plan) error {
	set, err := a.replicaSet(ctx)
	if err != nil {
		return err
	}
	if set != v.Set {
		return access.Errorf(access.KindMisconfigured, "The connector %s leads to another replica set than the one that this access was given on. An operator must correct the connection string.", d.name)
	}
	return nil
}

// errBlind says that what must be there was not seen.
var errBlind = errors.New("what must be there was not seen")

// primary fails unless the server that answers is the primary, and knows all that any primary before it has confirmed: a
// linearizable read is answered only when most members have confirmed that. What is read after it is no older.
func (a *account) primary(ctx context.Context) (version string, err error) {
	var answer struct {
		Cursor struct {
			FirstBatch []struct {
				Version string `bson:"version"`
			} `bson:"firstBatch"`
		} `bson:"cursor"`
	}
	err = a.run(ctx, admin, bson.D{
		{Key: "find", Value: "system.version"}, {Key: "filter", Value: bson.D{{Key: "_id", Value: "featureCompatibilityVersion"}}},
		{Key: "singleBatch", Value: true}, {Key: "limit", Value: 1},
		{Key: "readConcern", Value: bson.D{{Key: "level", Value: "linearizable"}}},
	}, &answer)
	switch {
	case err != nil:
		return "", err
	case len(answer.Cursor.FirstBatch) != 1:
		return "", errBlind
	}
	return answer.Cursor.FirstBatch[0].Version, nil
}

// hello is what a server says of itself to everybody.
func (a *account) hello(ctx context.Context) (now time.Time, err error) {
	var answer struct {
		LocalTime time.Time `bson:"localTime"`
	}
	err = a.run(ctx, admin, bson.D{{Key: "hello", Value: 1}}, &answer)
	return answer.LocalTime, err
}

// operation is one entry of $currentOp: a connection that is idle or at work.
type operation struct {
	Active bool  `bson:"active"`
	ID     int64 `bson:"opid"`
	// Users are who has logged in on it.
	Users []userName `bson:"effectiveUsers"`
}

// operations reads the connections on which the user has logged in, idle ones too. That the reader sees its own is the proof
// that it sees any.
func (a *account) operations(ctx context.Context, user userName) ([]operation, error) {
	of := func(u userName) bson.D {
		return bson.D{{Key: "effectiveUsers", Value: bson.D{{Key: "$elemMatch", Value: bson.D{{Key: "user", Value: u.User}, {Key: "db", Value: u.DB}}}}}}
	}
	cursor, err := a.client.Database(admin).Aggregate(ctx, mongo.Pipeline{
		{{Key: "$currentOp", Value: bson.D{{Key: "allUsers", Value: true}, {Key: "idleConnections", Value: true}}}},
		{{Key: "$match", Value: bson.D{{Key: "$or", Value: bson.A{of(user), of(a.self)}}}}},
		{{Key: "$project", Value: bson.D{{Key: "active", Value: 1}, {Key: "opid", Value: 1}, {Key: "effectiveUsers", Value: 1}}}},
	})
	if err != nil {
		return nil, err
	}
	var all []operation
	if err := cursor.All(ctx, &all); err != nil {
		return nil, err
	}
	theirs := slices.DeleteFunc(slices.Clone(all), func(o operation) bool { return slices.Contains(o.Users, a.self) })
	if len(theirs) == len(all) {
		return nil, errBlind
	}
	return theirs, nil
}

// active counts what is at work.
func active(all []operation) (n int) {
	for _, o := range all {
		if o.Active {
			n++
		}
	}
	return n
}
