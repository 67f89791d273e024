//go:build !race

package hostile

// raceDetector tells that everything takes several times as long and allocates more.
const raceDetector = false
