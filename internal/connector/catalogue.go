package connector

import (
	"context"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/nearmiss"
)

// Bounds of the catalogue.
const (
	// MaxResources is how many resources one connector may have.
	MaxResources = 100_000
	// maxPermissions and maxLabels bound one resource; labels are bounded in bytes as well.
	maxPermissions = 256
	maxLabels      = 64
	maxLabelBytes  = 1024

	// catalogueTTL is how long a catalogue is not read again.
	catalogueTTL = 60 * time.Second
	// cataloguePause is how long after an attempt neither a failure nor a missing name makes us read again.
	cataloguePause = 5 * time.Second
)

// Catalogue is what can be asked for behind a connector. It is shared: nobody changes it.
type Catalogue struct {
	// Resources are sorted by name.
	Resources []access.Resource
	// ReadAt is when it was read at the target.
	ReadAt time.Time
	// Skipped counts resources that cannot be asked for: their names are no part of an entitlement, they are named
	// twice, they have too many permissions or labels, or they say too much of what a permission implies.
	Skipped int
	// Stale is why it could not be read again when that was due; nil while it is fresh.
	Stale error
}

// find looks a resource up.
func (k Catalogue) find(name string) (access.Resource, bool) {
	i, ok := slices.BinarySearchFunc(k.Resources, name, func(r access.Resource, name string) int {
		return strings.Compare(r.Name, name)
	})
	if !ok {
		return access.Resource{}, false
	}
	return k.Resources[i], true
}

// names yields the resources' names.
func (k Catalogue) names() iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, r := range k.Resources {
			if !yield(r.Name) {
				return
			}
		}
	}
}

// catalogue is the last one that was read. Its zero value has none.
type catalogue struct {
	mu      sync.Mutex
	current Catalogue
	triedAt time.Time
}

func (k *catalogue) get() (current Catalogue, triedAt time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.current, k.triedAt
}

// settle keeps what an attempt brought: the new catalogue, or the old one with the reason why it is old.
func (k *catalogue) settle(fresh Catalogue, err error, at time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.triedAt = at
	if err != nil {
		k.current.Stale = err
		return
	}
	k.current = fresh
}

// Resources is the catalogue, at most a minute old. When it cannot be read again, the old one is returned and says so in
// Stale; only without an old one it is an error.
func (c *Connector) Resources(ctx context.Context) (Catalogue, error) {
	now := c.options.Clock.Now()
	current, triedAt := c.catalogue.get()
	if current.ReadAt.IsZero() || (now.Sub(current.ReadAt) >= catalogueTTL && now.Sub(triedAt) >= cataloguePause) {
		return c.refresh(ctx)
	}
	return current, nil
}

// Resource looks up one resource; one that is new at the target is found within seconds. The error of an unknown name is
// of access.KindNotFound and offers the nearest one.
func (c *Connector) Resource(ctx context.Context, name string) (access.Resource, error) {
	current, err := c.Resources(ctx)
	if err != nil {
		return access.Resource{}, err
	}
	r, ok := current.find(name)
	if _, triedAt := c.catalogue.get(); !ok && c.options.Clock.Now().Sub(triedAt) >= cataloguePause {
		if current, err = c.refresh(ctx); err != nil {
			return access.Resource{}, err
		}
		r, ok = current.find(name)
	}
	if !ok {
		return access.Resource{}, c.notFound("resource", name, current.names())
	}
	return r, nil
}

// Resolve looks up the resource of an entitlement and its permission there. Errors are as those of Resource.
func (c *Connector) Resolve(ctx context.Context, e access.Entitlement) (access.Resource, error) {
	r, err := c.Resource(ctx, e.Resource)
	if err != nil {
		return access.Resource{}, err
	}
	if !slices.Contains(r.Permissions, e.Permission) {
		return access.Resource{}, c.notFound("permission on "+e.Resource, e.Permission, slices.Values(r.Permissions))
	}
	return r, nil
}

func (c *Connector) notFound(what, name string, candidates iter.Seq[string]) error {
	if near := nearmiss.Find(name, candidates); near != "" {
		return c.errorf(access.KindNotFound, "has no %s %q; the nearest is %q", what, name, near)
	}
	return c.errorf(access.KindNotFound, "has no %s %q; curfew list shows what there is", what, name)
}

// refresh reads the catalogue again, once for all who wait for it.
func (c *Connector) refresh(ctx context.Context) (Catalogue, error) {
	err := c.once(ctx, CallDiscover, func(ctx context.Context) error {
		fresh, err := c.discover(ctx)
		c.catalogue.settle(fresh, err, c.options.Clock.Now())
		return err
	})
	current, _ := c.catalogue.get()
	if current.ReadAt.IsZero() {
		return Catalogue{}, err
	}
	return current, nil
}

// discover reads the catalogue, bounded.
func (c *Connector) discover(ctx context.Context) (Catalogue, error) {
	fresh := Catalogue{ReadAt: c.options.Clock.Now()}
	seen := map[string]bool{}
	for r, err := range c.Discover(ctx) {
		switch {
		case err != nil:
			return Catalogue{}, err
		case seen[r.Name] || !c.usable(r):
			fresh.Skipped++
		default:
			seen[r.Name] = true
			fresh.Resources = append(fresh.Resources, r)
		}
		if len(fresh.Resources)+fresh.Skipped > MaxResources {
			return Catalogue{}, c.errorf(access.KindExhausted,
				"sees more than %d resources; narrow what its account at the target may see", MaxResources)
		}
	}
	slices.SortFunc(fresh.Resources, func(a, b access.Resource) int { return strings.Compare(a.Name, b.Name) })
	return fresh, nil
}

// usable reports whether entitlements can name the resource and all its permissions, and whether what it says is bounded.
func (c *Connector) usable(r access.Resource) bool {
	if len(r.Permissions) == 0 || len(r.Permissions) > maxPermissions || len(r.Labels) > maxLabels {
		return false
	}
	for permission, implied := range r.Implies {
		if !implied.Bounded() || !slices.Contains(r.Permissions, permission) {
			return false
		}
	}
	for k, v := range r.Labels {
		if len(k)+len(v) > maxLabelBytes {
			return false
		}
	}
	return !slices.ContainsFunc(r.Permissions, func(permission string) bool {
		e := access.Entitlement{Connector: c.options.Name, Resource: r.Name, Permission: permission}
		return e.Validate() != nil
	})
}
