package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// programPatience is how long a program may take to end after Ctrl-C.
const programPatience = 5 * time.Second

// runProgram runs a command with more environment until it ends, or the context does: it is then asked to end, and is
// ended by force if it does not. Processes that it has started, such as those of go run, end with it. It cannot read
// from the terminal.
func runProgram(ctx context.Context, command []string, more []setting, w world) error {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Env = os.Environ()
	for _, v := range more {
		cmd.Env = append(cmd.Env, v.name+"="+v.value)
	}
	cmd.Stdout, cmd.Stderr = w.out, w.err
	ownGroup(cmd)
	cmd.Cancel = func() error { return interruptGroup(cmd) }
	cmd.WaitDelay = programPatience
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting %s: %w", calm(command[0]), err)
	}
	err := cmd.Wait()
	killGroup(cmd)
	switch {
	case ctx.Err() != nil:
		return nil
	case err != nil:
		return fmt.Errorf("%s has ended: %w", calm(strings.Join(command, " ")), err)
	}
	return nil
}
