//go:build !race

package onethread

const underRaceDetector = false
