package scim

import (
	"fmt"
	"hash/fnv"
	"net/http"
	"strings"

	"github.com/curfewhq/curfew/internal/store"
)

// etag is the ETag of a resource (RFC 7644, section 3.14). A user's groups are shown with the user, and are no part of what
// is written there: they are behind a dash, which conditions of writes leave out.
func etag(v store.ProvisionedResource, in []store.GroupName) string {
	if len(in) == 0 {
		return fmt.Sprintf(`W/"%d"`, v.Version)
	}
	h := fnv.New64a()
	for _, g := range in {
		fmt.Fprintf(h, "%q%q", g.ID, g.Name)
	}
	return fmt.Sprintf(`W/"%d-%x"`, v.Version, h.Sum64())
}

// opaque is what ETags are compared by; weak and strong are one here, because what changes has another version.
func opaque(tag string, withGroups bool) string {
	tag = strings.Trim(strings.TrimPrefix(strings.TrimSpace(tag), "W/"), `"`)
	if !withGroups {
		tag, _, _ = strings.Cut(tag, "-")
	}
	return tag
}

// names reports whether the header, a list of ETags or a star, names this one.
func names(header, tag string, withGroups bool) bool {
	for one := range strings.SplitSeq(header, ",") {
		if strings.TrimSpace(one) == "*" || opaque(one, withGroups) == opaque(tag, withGroups) {
			return true
		}
	}
	return false
}

// ifMatch refuses a write to what has changed since the client has read it.
func (c *call) ifMatch(v store.ProvisionedResource) error {
	header := c.r.Header.Get("If-Match")
	if header != "" && !names(header, etag(v, nil), false) {
		return statusError(http.StatusPreconditionFailed, "The resource has changed since it was read; read it again.")
	}
	return nil
}

// ifNoneMatch refuses to send what the client has.
func (c *call) ifNoneMatch(tag string) error {
	if header := c.r.Header.Get("If-None-Match"); header != "" && names(header, tag, true) {
		return statusError(http.StatusNotModified, "")
	}
	return nil
}
