//go:build !plantedbugs

package planted

// Active is false: this build keeps all rules.
func Active(Bug) bool { return false }
