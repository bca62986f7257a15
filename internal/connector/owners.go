package connector

// Owners are selectors of those who own what is behind a connector (see package policy). They come from the configuration
// alone: whoever may write labels at a target must not choose by that who reviews.
type Owners struct {
	// All own every resource that Of does not name, and Of single resources, by name.
	All []string
	Of  map[string][]string
}

// Owners are those of a resource.
func (c *Connector) Owners(resource string) []string {
	if of, ok := c.options.Owners.Of[resource]; ok {
		return of
	}
	return c.options.Owners.All
}
