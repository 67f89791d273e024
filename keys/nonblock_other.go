//go:build !(unix || windows)

package keys

const nonblock = 0
