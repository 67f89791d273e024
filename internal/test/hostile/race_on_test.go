//go:build race

package hostile

// raceDetector is true where everything takes several times as long and allocates more.
const raceDetector = true
