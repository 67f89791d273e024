//go:build race

package torture

const raced = 10 // see the package comment
