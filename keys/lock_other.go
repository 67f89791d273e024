//go:build !(darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd || windows)

package keys

import (
	"fmt"
	"runtime"
)

func tryLock(string) (unlock func(), busy bool, err error) {
	return nil, false, fmt.Errorf("files cannot be locked on %s; keep the ring in another Vault", runtime.GOOS)
}
