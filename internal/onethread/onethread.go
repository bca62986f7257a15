// Package onethread runs a package's tests on one thread under the race detector, where they would crash on several.
//
// Go runs the timers of a bubble of testing/synctest on whichever thread comes to them, all with one context of the race
// detector's; on two threads at once that corrupts the detector, and the process dies without a test that failed:
// "ThreadSanitizer: CHECK failed", or a segmentation violation (golang/go#78156, seen with Go 1.26.8). Races are found on one
// thread as well, for the detector goes by what happens before what; where threads really run side by side is in the tests of the packages
// above, and in those of the same package without the detector.
//
// The package owns this remedy and nothing else, and goes when Go is mended.
package onethread

import (
	"runtime"
	"testing"
)

// Main is for the TestMain of a package that has bubbles.
func Main(m *testing.M) {
	if underRaceDetector {
		runtime.GOMAXPROCS(1)
	}
	m.Run()
}
