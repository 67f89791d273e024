package postern

import (
	"strconv"

	"github.com/posternauth/postern/session"
)

// deviceName is the short name of the device in an entry of the history.
func deviceName(agent string) string { return session.Info{Device: agent}.DeviceName() }

// pageOf reads the number of a page, from 1.
func pageOf(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > 1000 {
		return 1
	}
	return n
}
