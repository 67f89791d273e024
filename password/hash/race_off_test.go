//go:build !race

package hash

// raced reports that the race detector is on. The test of the vectors and that of the memory are then shorter: other
// formats have nothing to race, and the detector takes memory itself.
const raced = false
