package lambdatest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"sync"
	"time"
)

// An invocation is one event on its way through a sandbox. It is settled once.
type invocation struct {
	id, trace string
	payload   []byte
	deadline  time.Time
	taken     chan struct{} // closed when the process has asked for it
	done      chan struct{} // closed when it is settled
	out       []byte
	err       error
}

// A sandbox is one process with its own Runtime API, on a separate port.
type sandbox struct {
	rt      *Runtime
	cmd     *exec.Cmd
	server  *http.Server
	started time.Time

	jobs   chan *invocation
	exited chan struct{} // closed when the process has ended and its output is read

	mu      sync.Mutex
	current *invocation
	polled  time.Time // of the first request for an event
	initErr *FunctionError
	exitErr error
	warm    bool
}

func startSandbox(rt *Runtime) (*sandbox, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("lambdatest: the Runtime API needs a port on 127.0.0.1: %w", err)
	}
	sb := &sandbox{
		rt:     rt,
		jobs:   make(chan *invocation),
		exited: make(chan struct{}),
	}
	sb.cmd = exec.Command(rt.cfg.Bootstrap, rt.cfg.Args...)
	sb.cmd.Dir = rt.cfg.Dir
	sb.cmd.Env = rt.env(ln.Addr().String(), newID())
	sb.cmd.Stdout, sb.cmd.Stderr = rt.output, rt.output
	sb.cmd.WaitDelay = time.Second // a child that outlives the process must not hold the pipes for ever
	ownGroup(sb.cmd)
	sb.server = &http.Server{Handler: sb.api(), ReadHeaderTimeout: 10 * time.Second}
	sb.started = time.Now()
	if err := sb.cmd.Start(); err != nil {
		_ = ln.Close()
		return nil, fmt.Errorf("lambdatest: starting the bootstrap: %w", err)
	}
	go func() { _ = sb.server.Serve(ln) }() // ends when stop closes the server
	go sb.wait()
	return sb, nil
}

// wait collects the process. It is the only one to call Wait.
func (sb *sandbox) wait() {
	err := sb.cmd.Wait()
	// A process that detached from its pipes may have left children: they go with it.
	_ = killGroup(sb.cmd)
	sb.mu.Lock()
	sb.exitErr = err
	sb.mu.Unlock()
	_ = sb.server.Close()
	sb.rt.forget(sb)
	close(sb.exited)
}

// stop kills the process with its children, and returns when all is gone.
func (sb *sandbox) stop() {
	select {
	case <-sb.exited: // its number may belong to another by now
		return
	default:
	}
	if err := killGroup(sb.cmd); err != nil && !errors.Is(err, os.ErrProcessDone) {
		_ = sb.cmd.Process.Kill()
	}
	<-sb.exited
}

// dead reports whether the process can serve no more events.
func (sb *sandbox) dead() bool {
	select {
	case <-sb.exited:
		return true
	default:
	}
	sb.mu.Lock()
	defer sb.mu.Unlock()
	return sb.initErr != nil || sb.current != nil
}

// invoke hands over one event. again means that the process had ended before it could take the event, after it had
// served others: the caller tries another process.
func (sb *sandbox) invoke(ctx context.Context, payload []byte) (out []byte, report Report, again bool) {
	inv := &invocation{id: newID(), trace: newTrace(), payload: payload, taken: make(chan struct{}), done: make(chan struct{})}
	report = Report{RequestID: inv.id, PID: sb.cmd.Process.Pid}
	cold := !sb.warm // one caller at a time holds the sandbox
	sb.warm = true

	init := time.NewTimer(sb.rt.cfg.InitTimeout)
	defer init.Stop()
	select {
	case sb.jobs <- inv:
		<-inv.taken
	case <-sb.exited:
		if !cold {
			return nil, report, true
		}
		report.Err = sb.endOfProcess(inv.id)
		return nil, report, false
	case <-init.C:
		report.Err = sb.timedOut(inv.id, sb.rt.cfg.InitTimeout, "before it asked for an event")
		return nil, report, false
	case <-ctx.Done():
		sb.stop()
		report.Err = fmt.Errorf("lambdatest: the call was given up: %w", ctx.Err())
		return nil, report, false
	}
	if cold {
		sb.mu.Lock()
		report.Init = sb.polled.Sub(sb.started)
		sb.mu.Unlock()
	}

	began := time.Now()
	timeout := time.NewTimer(sb.rt.cfg.Timeout)
	defer timeout.Stop()
	select {
	case <-inv.done:
		out, report.Err = inv.out, inv.err
	case <-sb.exited:
		select {
		case <-inv.done: // it answered, and then ended
			out, report.Err = inv.out, inv.err
		default:
			report.Err = sb.endOfProcess(inv.id)
		}
	case <-timeout.C:
		report.Err = sb.timedOut(inv.id, sb.rt.cfg.Timeout, "")
	case <-ctx.Done():
		sb.stop()
		report.Err = fmt.Errorf("lambdatest: the call was given up: %w", ctx.Err())
	}
	report.Duration = time.Since(began)
	return out, report, false
}

// endOfProcess is the error of an event whose process ended without an answer.
func (sb *sandbox) endOfProcess(id string) error {
	sb.mu.Lock()
	defer sb.mu.Unlock()
	if sb.initErr != nil {
		return sb.initErr
	}
	how := "exit status 0"
	if sb.exitErr != nil {
		how = sb.exitErr.Error()
	}
	return newFunctionError(errExit, "RequestId: "+id+" Error: Runtime exited with error: "+how)
}

func (sb *sandbox) timedOut(id string, after time.Duration, when string) error {
	sb.stop()
	text := fmt.Sprintf("RequestId: %s Error: Task timed out after %.2f seconds", id, after.Seconds())
	if when != "" {
		text += " " + when
	}
	return newFunctionError(errTimedOut, text)
}
