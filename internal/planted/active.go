//go:build plantedbugs

package planted

import "os"

// Active reports whether the environment names the bug.
func Active(b Bug) bool { return os.Getenv(Variable) == string(b) }
