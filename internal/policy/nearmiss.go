package policy

import (
	"fmt"

	"cel.dev/cel-go/common/env"
)

// nearMiss is a question that ends an error message, or nothing if no known word is near. It uses the distance that the
// expression checker uses for its own suggestions.
func nearMiss(word string, known ...string) string {
	catalog := env.NewCatalog()
	for _, k := range known {
		catalog.Add(&env.CatalogSymbol{Name: k})
	}
	found := catalog.Find(word)
	if len(found) == 0 || found[0].Name == word {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", found[0].Name)
}
