package secret

import (
	"fmt"
	"runtime"
)

// DescribePanic says of the value of a panic what may be logged: what the runtime says, and of any other value its type
// alone, since it could hold a secret.
func DescribePanic(value any) string {
	if r, ok := value.(runtime.Error); ok {
		return r.Error()
	}
	return fmt.Sprintf("a value of type %T", value)
}
