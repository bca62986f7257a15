package mongodb

import (
	"context"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/curfewhq/curfew/internal/access"
)

// markKey is where in a user's customData our mark is.
const markKey = "curfew"

// userName names a user of a replica set.
type userName struct {
	User string `bson:"user"`
	DB   string `bson:"db"`
}

// String is the user as mongosh writes it.
func (u userName) String() string { return u.User + "@" + u.DB }

// user is what is read of a user.
type user struct {
	Name   userName `bson:",inline"`
	Roles  []Role   `bson:"roles"`
	Custom struct {
		Mark access.Mark `bson:"curfew"`
	} `bson:"customData"`
}

// users are the answer of usersInfo.
type users struct {
	Users []user `bson:"users"`
}

// find reads one user together with our own, which must be seen in the same answer.
func (a *account) find(ctx context.Context, name userName) (found user, there bool, err error) {
	var answer users
	if err := a.run(ctx, name.DB, bson.D{{Key: "usersInfo", Value: bson.A{name, a.self}}}, &answer); err != nil {
		return user{}, false, err
	}
	sees := func(n userName) int {
		return slices.IndexFunc(answer.Users, func(u user) bool { return u.Name == n })
	}
	if sees(a.self) < 0 {
		return user{}, false, errBlind
	}
	i := sees(name)
	if i < 0 {
		return user{}, false, nil
	}
	return answer.Users[i], true, nil
}

// marked reads every user of the database that bears a mark, whoever's.
func (a *account) marked(ctx context.Context, db string) ([]user, error) {
	var answer users
	err := a.run(ctx, db, bson.D{
		{Key: "usersInfo", Value: 1},
		{Key: "filter", Value: bson.D{{Key: "customData." + markKey, Value: bson.D{{Key: "$type", Value: "string"}}}}},
	}, &answer)
	return answer.Users, err
}

// create makes the user that the plan describes. The server makes the verifiers of its password itself: for SCRAM-SHA-256 it takes
// nothing else than the password.
func (a *account) create(ctx context.Context, v plan, password string) error {
	return a.write(ctx, v.DB, bson.D{
		{Key: "createUser", Value: v.User}, {Key: "pwd", Value: password}, {Key: "roles", Value: v.Roles},
		{Key: "customData", Value: bson.D{{Key: markKey, Value: v.Mark}}},
		{Key: "mechanisms", Value: bson.A{mechanism}},
	})
}

// setPassword gives the user another password. Who is logged in stays so.
func (a *account) setPassword(ctx context.Context, name userName, password string) error {
	return a.write(ctx, name.DB, bson.D{
		{Key: "updateUser", Value: name.User}, {Key: "pwd", Value: password}, {Key: "mechanisms", Value: bson.A{mechanism}},
	})
}

// drop removes the user, so that nobody logs in as it any more, and reports whether it was there.
func (a *account) drop(ctx context.Context, name userName) (there bool, err error) {
	err = a.write(ctx, name.DB, bson.D{{Key: "dropUser", Value: name.User}})
	if codeOf(err) == codeUserNotFound {
		return false, nil
	}
	return true, err
}

// killSessions ends what the user's sessions do, and closes their cursors.
func (a *account) killSessions(ctx context.Context, name userName) error {
	return a.run(ctx, admin, bson.D{{Key: "killAllSessions", Value: bson.A{name}}}, nil)
}

// kill ends one operation.
func (a *account) kill(ctx context.Context, id int64) error {
	return a.run(ctx, admin, bson.D{{Key: "killOp", Value: 1}, {Key: "op", Value: id}}, nil)
}
