package web

// Routes are the patterns of all routes.
func (h *Handler) Routes() []string {
	var patterns []string
	for _, r := range h.routes() {
		patterns = append(patterns, r.pattern)
	}
	return patterns
}
