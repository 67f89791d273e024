//go:build unix

package lambdatest

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
)

// ownGroup puts the process at the head of a group, so that kill reaches what it started too.
func ownGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

func killGroup(cmd *exec.Cmd) error {
	err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	if errors.Is(err, syscall.ESRCH) {
		return os.ErrProcessDone
	}
	return err
}
