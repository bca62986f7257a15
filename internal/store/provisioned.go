package store

import (
	"time"

	"github.com/curfewhq/curfew/internal/access"
)

// Source is a place that provisions people, of one tenant.
type Source struct {
	Tenant access.TenantID
	// Name is the issuer of the principals that come from there.
	Name string
}

// ProvisionedKind says what a source has provisioned.
type ProvisionedKind string

// The kinds of what is provisioned.
const (
	ProvisionedUser  ProvisionedKind = "user"
	ProvisionedGroup ProvisionedKind = "group"
)

// ProvisionedResource is a user or a group as its source has written it.
type ProvisionedResource struct {
	Source
	Kind ProvisionedKind
	// ID is minted here, and never given twice.
	ID string
	// Name is what the source calls it.
	Name string
	// Key is the name as names are compared: no two of a kind and source have the same.
	Key string
	// ExternalID is the source's own identifier, or empty.
	ExternalID string
	// Document is all that the source wrote, but for members, which are Memberships.
	Document             []byte
	CreatedAt, ChangedAt time.Time
	Version              int64
}

// ProvisionedFilter selects resources; zero fields select everything.
type ProvisionedFilter struct {
	ID, Key, ExternalID string
	// Member selects the groups that this user is in.
	Member string
}

// Stretch is a bounded piece of a list, in the order of the IDs.
type Stretch struct {
	// After is the last ID of the stretch before, or empty.
	After string
	// Skip is how many to leave out behind it.
	Skip int
	// Limit is 1 to 1,000.
	Limit int
}

// Provisioned are the users and groups that sources have written.
type Provisioned interface {
	// Put keeps a resource: a new one, of Version 0, or in place of the stored one if that has its Version, all but its
	// CreatedAt. It stores Version+1. A second one of the source with that ID, or of its kind with that Key, is
	// access.KindConflict.
	Put(ProvisionedResource) error
	Get(source Source, kind ProvisionedKind, id string) (ProvisionedResource, error)
	List(Source, ProvisionedKind, ProvisionedFilter, Stretch) ([]ProvisionedResource, error)
	Count(Source, ProvisionedKind, ProvisionedFilter) (int, error)
	// Delete forgets it, with its memberships.
	Delete(source Source, kind ProvisionedKind, id string) error
}

// GroupName is a group by its ID and its name.
type GroupName struct{ ID, Name string }

// MaxMembers is how many members one call may add or take out.
const MaxMembers = 50_000

// Memberships say which users are in which groups.
type Memberships interface {
	// Add makes the users members of the group, and says how many were not. When a user is not there it is
	// access.KindNotFound with the ID, and nothing is written.
	Add(source Source, group string, users []string) (int, error)
	// Remove takes them out of it, and says how many were in it.
	Remove(source Source, group string, users []string) (int, error)
	// Members lists up to limit members of the group behind after, in the order of their IDs.
	Members(source Source, group, after string, limit int) ([]string, error)
	Count(source Source, group string) (int, error)
	// GroupsOf lists the groups of each of up to MaxRequests users, in the order of their IDs. Who is in none is left out.
	GroupsOf(source Source, users ...string) (map[string][]GroupName, error)
}

// Stale is a user of whose groups the directory has not been told since they changed.
type Stale struct {
	Source
	User string
	// Less says that there are groups that they may no longer be in.
	Less bool
}

// StaleUsers are a queue that outlives the process: what a change of a group means to its members may be too much for the
// transaction of that change.
type StaleUsers interface {
	// Add puts users into the queue; to those that wait already it adds Less. Who is no user of the source is left out.
	Add(source Source, less bool, users []string) error
	// AddMembers puts all members of a group into the queue, with Less.
	AddMembers(source Source, group string) error
	// Next returns up to limit users, those with Less first, then those who have waited longest. It takes none out.
	Next(source Source, limit int) ([]Stale, error)
	// Remove takes one out; absent is success.
	Remove(source Source, user string) error
}
