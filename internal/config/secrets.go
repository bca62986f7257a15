package config

import "crypto/sha256"

// resolveSecrets tries every reference and refuses a token that two principals share. What it fetches is forgotten at
// once.
func (d *decoder) resolveSecrets(root *node) {
	tokens := map[*node]bool{}
	if static, ok := root.find("directory", "static"); ok {
		for _, principal := range static.items {
			if token, ok := principal.find("token"); ok {
				tokens[token] = true
			}
		}
	}
	first := map[[sha256.Size]byte]*node{}
	for _, s := range d.secrets {
		value, err := s.ref.Resolve()
		if err != nil {
			d.refuse(s.node, "%v", err)
			continue
		}
		if !tokens[s.node] {
			continue
		}
		sum := sha256.Sum256([]byte(value))
		if earlier := first[sum]; earlier != nil {
			d.refuse(s.node, "this token is also that of another principal (%s line %d); every principal has its own",
				earlier.at.src.name, earlier.at.line)
			continue
		}
		first[sum] = s.node
	}
}
