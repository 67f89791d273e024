package lambdatest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// ErrClosed is returned by [Runtime.Invoke] after [Runtime.Close].
var ErrClosed = errors.New("lambdatest: the runtime is closed")

// RuntimeConfig is the program of a [Runtime] and its limits. Only Bootstrap is required.
type RuntimeConfig struct {
	// Bootstrap is the path of the program, unmodified: what goes into the zip for provided.al2023.
	Bootstrap string
	// Args are its arguments. Lambda passes none.
	Args []string
	// Env is added to the environment, as "NAME=value". The function inherits nothing from this process, as on Lambda.
	Env []string
	// Dir is the working directory and LAMBDA_TASK_ROOT.
	// Defaults to the folder of Bootstrap.
	Dir string
	// Name is the name of the function.
	// Defaults to "function".
	Name string
	// Region and Account are in its ARN.
	// They default to "us-east-1" and "123456789012".
	Region, Account string
	// Memory is the memory size that the function reads, in MB. It is not enforced.
	// Defaults to 128.
	Memory int
	// Timeout ends an invocation: the process is killed, and the next call starts another.
	// Defaults to 3 s, as on Lambda.
	Timeout time.Duration
	// InitTimeout is how long a process may take until it asks for its first event.
	// Defaults to 10 s, as on Lambda.
	InitTimeout time.Duration
	// Concurrency is the largest number of processes. Each serves one event at a time, and is kept for the next. Calls
	// beyond it wait; Lambda would answer 429.
	// Defaults to 10.
	Concurrency int
	// Output receives both output streams of the processes. Writes are not concurrent.
	// Defaults to none: output is dropped.
	Output io.Writer
	// OnReport, if set, gets a report of each invocation, before Invoke returns. It must be safe for concurrent use.
	OnReport func(Report)
}

// A Report is about one invocation, like the REPORT line in Lambda's log.
type Report struct {
	RequestID string
	PID       int
	// Init is the time from the start of the process until it asked for its first event; zero if the process was warm.
	Init time.Duration
	// Duration is the time from handing over the event until the result; zero if the process never asked for it.
	Duration time.Duration
	Err      error
}

// A Runtime runs a bootstrap program behind the Lambda Runtime API, for tests and for a local run. It is a [Function].
//
// Processes start when they are needed. [Runtime.Close] ends them; nothing is left behind.
//
// Source: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
type Runtime struct {
	cfg    RuntimeConfig
	slots  chan struct{} // one token for each invocation under way
	output *lockedWriter

	mu     sync.Mutex
	idle   []*sandbox // the last one used is used next
	all    map[*sandbox]struct{}
	closed bool
}

// NewRuntime checks the configuration. No process starts before the first Invoke.
func NewRuntime(cfg RuntimeConfig) (*Runtime, error) {
	if cfg.Bootstrap == "" {
		return nil, errors.New("lambdatest: RuntimeConfig.Bootstrap is empty: name the program to run")
	}
	// A name without a folder must mean a file here, not something on the PATH.
	path, err := filepath.Abs(cfg.Bootstrap)
	if err != nil {
		return nil, fmt.Errorf("lambdatest: RuntimeConfig.Bootstrap: %w", err)
	}
	if _, err := exec.LookPath(path); err != nil {
		return nil, fmt.Errorf("lambdatest: RuntimeConfig.Bootstrap must be a program that can be run: %w", err)
	}
	if cfg.Timeout < 0 || cfg.InitTimeout < 0 || cfg.Concurrency < 0 || cfg.Memory < 0 {
		return nil, errors.New("lambdatest: RuntimeConfig: Timeout, InitTimeout, Concurrency and Memory must not be negative")
	}
	cfg.Bootstrap = path
	setDefault(&cfg.Dir, filepath.Dir(path))
	setDefault(&cfg.Name, "function")
	setDefault(&cfg.Region, defaultRegion)
	setDefault(&cfg.Account, defaultAccount)
	setDefault(&cfg.Memory, 128)
	setDefault(&cfg.Timeout, 3*time.Second)
	setDefault(&cfg.InitTimeout, 10*time.Second)
	setDefault(&cfg.Concurrency, 10)
	if cfg.Output == nil {
		cfg.Output = io.Discard
	}
	return &Runtime{
		cfg:    cfg,
		slots:  make(chan struct{}, cfg.Concurrency),
		output: &lockedWriter{w: cfg.Output},
		all:    map[*sandbox]struct{}{},
	}, nil
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Invoke hands one event to a process and returns its result. Errors of the function, its crash and its timeout are a
// [*FunctionError]. When ctx ends first the process is killed, because there is no way to ask it to stop.
func (rt *Runtime) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	if len(payload) > MaxPayload {
		return nil, ErrPayloadTooLarge
	}
	select {
	case rt.slots <- struct{}{}:
		defer func() { <-rt.slots }()
	case <-ctx.Done():
		return nil, fmt.Errorf("lambdatest: waiting for a free process: %w", ctx.Err())
	}
	for {
		sb, err := rt.acquire()
		if err != nil {
			return nil, err
		}
		out, report, again := sb.invoke(ctx, payload)
		if again { // it had exited after its last answer, and this event is not the cause
			continue
		}
		if sb.dead() {
			sb.stop()
		} else {
			rt.release(sb)
		}
		if rt.cfg.OnReport != nil {
			rt.cfg.OnReport(report)
		}
		return out, report.Err
	}
}

// acquire returns an idle process, or starts one.
func (rt *Runtime) acquire() (*sandbox, error) {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	if rt.closed {
		return nil, ErrClosed
	}
	if n := len(rt.idle); n > 0 {
		sb := rt.idle[n-1]
		rt.idle = rt.idle[:n-1]
		return sb, nil
	}
	sb, err := startSandbox(rt)
	if err != nil {
		return nil, err
	}
	rt.all[sb] = struct{}{}
	return sb, nil
}

func (rt *Runtime) release(sb *sandbox) {
	rt.mu.Lock()
	closed := rt.closed
	if !closed {
		rt.idle = append(rt.idle, sb)
	}
	rt.mu.Unlock()
	if closed {
		sb.stop()
	}
}

func (rt *Runtime) forget(sb *sandbox) {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	delete(rt.all, sb)
}

// Processes returns the number of processes that are alive.
func (rt *Runtime) Processes() int {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	return len(rt.all)
}

// Close kills the processes and waits for them. Invocations under way end with a [*FunctionError]. It is safe to call
// twice; the error is always nil.
func (rt *Runtime) Close() error {
	rt.mu.Lock()
	rt.closed = true
	rt.idle = nil
	all := make([]*sandbox, 0, len(rt.all))
	for sb := range rt.all {
		all = append(all, sb)
	}
	rt.mu.Unlock()
	for _, sb := range all {
		sb.stop()
	}
	return nil
}

func (rt *Runtime) arn() string {
	return partition(rt.cfg.Region, "lambda", rt.cfg.Account) + "function:" + rt.cfg.Name
}

// env is the environment of a process: what Lambda defines for provided.al2023, then what the configuration adds.
//
// Source: https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime
func (rt *Runtime) env(api, stream string) []string {
	return append([]string{
		"AWS_LAMBDA_RUNTIME_API=" + api,
		"_HANDLER=bootstrap",
		"AWS_REGION=" + rt.cfg.Region,
		"AWS_DEFAULT_REGION=" + rt.cfg.Region,
		"AWS_LAMBDA_FUNCTION_NAME=" + rt.cfg.Name,
		"AWS_LAMBDA_FUNCTION_VERSION=$LATEST",
		fmt.Sprintf("AWS_LAMBDA_FUNCTION_MEMORY_SIZE=%d", rt.cfg.Memory),
		"AWS_LAMBDA_INITIALIZATION_TYPE=on-demand",
		"AWS_LAMBDA_LOG_GROUP_NAME=/aws/lambda/" + rt.cfg.Name,
		"AWS_LAMBDA_LOG_STREAM_NAME=" + stream,
		"LAMBDA_TASK_ROOT=" + rt.cfg.Dir,
		"LAMBDA_RUNTIME_DIR=" + rt.cfg.Dir,
		"PATH=/usr/local/bin:/usr/bin:/bin:/opt/bin",
		"LANG=en_US.UTF-8",
		"TZ=:UTC",
	}, rt.cfg.Env...)
}

// partition starts an ARN: "arn:aws:<service>:<region>:<account>:", with the partition of the region.
func partition(region, service, account string) string {
	name := "aws"
	switch {
	case strings.HasPrefix(region, "cn-"):
		name = "aws-cn"
	case strings.HasPrefix(region, "us-gov-"):
		name = "aws-us-gov"
	}
	return "arn:" + name + ":" + service + ":" + region + ":" + account + ":"
}

type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}
