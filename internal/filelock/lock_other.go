//go:build !(darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd || windows)

package filelock

import (
	"fmt"
	"runtime"
)

func Try(string) (unlock func(), busy bool, err error) {
	return nil, false, fmt.Errorf("files cannot be locked on %s", runtime.GOOS)
}
