package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"time"
)

// oneStart is what was measured of one start.
type oneStart struct {
	poll   time.Duration // from the start of the process to its first question for work
	first  time.Duration // from the first event to its answer
	warm   time.Duration // the same for later ones, the median
	memory int64         // bytes at the peak (VmHWM); 0 where the system does not report it
}

const warmCalls = 20

// endpoint is the Runtime API for one process: it hands out one event again and again.
// Source: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
type endpoint struct {
	event    []byte
	polls    chan time.Time
	sent     chan time.Time
	answers  chan answerAt
	finished chan struct{}
	calls    int
}

type answerAt struct {
	at   time.Time
	body []byte
	ok   bool
}

func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	now := time.Now()
	if r.Method == http.MethodGet { // /2018-06-01/runtime/invocation/next
		e.calls++
		if e.calls == 1 {
			e.polls <- now
		}
		if e.calls > 1+warmCalls {
			close(e.finished)
			<-r.Context().Done() // it waits for work as long as it lives
			return
		}
		h := w.Header()
		h.Set("Content-Type", "application/json")
		h.Set("Lambda-Runtime-Aws-Request-Id", strconv.Itoa(e.calls))
		h.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(now.Add(time.Minute).UnixMilli(), 10))
		h.Set("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:us-east-1:123456789012:function:f")
		e.sent <- time.Now()
		_, _ = w.Write(e.event)
		return
	}
	body, _ := io.ReadAll(r.Body)
	e.answers <- answerAt{now, body, bytes.HasSuffix([]byte(r.URL.Path), []byte("/response"))}
	w.WriteHeader(http.StatusAccepted)
}

var errSlow = errors.New("it did not get on for 30 seconds")

// startOnce starts a function, lets it answer some events and ends it.
func startOnce(c cold) (s oneStart, err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return s, err
	}
	e := &endpoint{
		event: c.event, polls: make(chan time.Time, 1), sent: make(chan time.Time, 1), answers: make(chan answerAt, 1), finished: make(chan struct{}),
	}
	server := &http.Server{Handler: e, ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(listener) }() // ends by Close
	defer server.Close()

	ctx, cancel := context.WithTimeoutCause(context.Background(), 30*time.Second, errSlow)
	defer cancel()
	var printed bytes.Buffer
	cmd := exec.CommandContext(ctx, c.command[0], c.command[1:]...)
	cmd.Stdout, cmd.Stderr = &printed, &printed
	cmd.Env = append([]string{
		"AWS_LAMBDA_RUNTIME_API=" + listener.Addr().String(), "_HANDLER=bootstrap", "AWS_REGION=us-east-1", "AWS_LAMBDA_FUNCTION_NAME=f",
		"AWS_LAMBDA_FUNCTION_VERSION=$LATEST", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE=128", "PATH=" + os.Getenv("PATH"),
	}, c.env...)
	started := time.Now()
	if err := cmd.Start(); err != nil {
		return s, err
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	defer func() {
		_ = cmd.Process.Kill()
		<-ended
		if err != nil {
			err = fmt.Errorf("%w\n%s", err, printed.Bytes())
		}
	}()
	polled, err := wait(ctx, e.polls, ended)
	if err != nil {
		return s, err
	}
	s.poll = polled.Sub(started)
	var took []float64
	for range 1 + warmCalls {
		sent, err := wait(ctx, e.sent, ended)
		if err != nil {
			return s, err
		}
		answer, err := wait(ctx, e.answers, ended)
		if err != nil {
			return s, err
		}
		if !answer.ok || !bytes.Contains(answer.body, []byte(c.right)) {
			return s, fmt.Errorf("it answers %s", answer.body)
		}
		took = append(took, float64(answer.at.Sub(sent)))
	}
	if _, err := wait(ctx, e.finished, ended); err != nil {
		return s, err
	}
	s.first = time.Duration(took[0])
	s.warm = time.Duration(quantile(slices.Clone(took[1:]), 0.5))
	s.memory = peak(cmd.Process.Pid)
	return s, nil
}

// wait waits for something of a process that may end before.
func wait[T any](ctx context.Context, c <-chan T, ended <-chan struct{}) (v T, err error) {
	select {
	case v = <-c:
		return v, nil
	case <-ended:
		return v, errors.New("it ended")
	case <-ctx.Done():
		return v, context.Cause(ctx)
	}
}

var highWater = regexp.MustCompile(`VmHWM:\s+(\d+) kB`)

// peak is the most memory a process has had. The figure that a parent gets of its child (ru_maxrss) includes the
// parent.
func peak(pid int) int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	m := highWater.FindSubmatch(text)
	if err != nil || m == nil {
		return 0
	}
	kb, _ := strconv.ParseInt(string(m[1]), 10, 64) // digits
	return kb << 10
}
