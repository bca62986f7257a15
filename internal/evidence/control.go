package evidence

// ID names a control for good: it is what people type, and what stands in packs of evidence that were handed out.
type ID string

// Control is something that an audit asks for, and Curfew's part in it.
type Control struct {
	ID ID
	// Framework is whose control it is, and Reference where it stands there.
	Framework, Reference string
	// Asks is what it asks for, in our words.
	Asks string
	// Does is what Curfew does about it, and Leaves what is left to others.
	Does, Leaves string
	// Commands show it as it is now. A pack of evidence shows it over time.
	Commands []string
}

// Find is the control of that name.
func Find(id ID) (Control, bool) {
	for _, c := range Controls() {
		if c.ID == id {
			return c, true
		}
	}
	return Control{}, false
}

// Controls lists them all, framework by framework.
func Controls() []Control {
	var all []Control
	for _, framework := range [][]Control{soc2(), pci(), sox(), hipaa(), gdpr(), iso27001()} {
		all = append(all, framework...)
	}
	return all
}
