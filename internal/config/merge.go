package config

// merge puts the roots of several files together. Sections that name their parts are united, lists of parts are
// appended in reading order, and everything else stands in one file only: two halves of one thing in two files would
// mean something that neither of them shows.
func merge(roots []*node, c *collector) *node {
	merged := roots[0]
	for _, root := range roots[1:] {
		mergeMapping(merged, root, "", c)
	}
	return merged
}

func mergeMapping(into, from *node, path string, c *collector) {
	into.incomplete = into.incomplete || from.incomplete
	for _, e := range from.entries {
		present := into.entry(e.key.text)
		if present == nil {
			into.entries = append(into.entries, e)
			continue
		}
		here := join(path, e.key.text)
		switch {
		case united(here) && present.value.kind == kindMapping && e.value.kind == kindMapping:
			mergeMapping(present.value, e.value, here, c)
		case appended(here) && present.value.kind == kindList && e.value.kind == kindList:
			present.value.items = append(present.value.items, e.value.items...)
		default:
			e.key.public = true
			c.add(e.key.at, "%s is set twice; the first is in %s on line %d", here, present.key.at.src.name, present.key.at.line)
		}
	}
}

// united reports whether the section names its parts.
func united(path string) bool {
	return path == "directory" || path == "connectors" || path == "bundles"
}

// appended reports whether the section is a list of parts.
func appended(path string) bool { return path == "directory.static" || path == "policies" }
