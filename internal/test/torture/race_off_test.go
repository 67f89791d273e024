//go:build !race

package torture

const raced = 1
