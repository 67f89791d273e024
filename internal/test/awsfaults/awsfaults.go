// Package awsfaults makes calls to a stand-in for AWS fail, as those to AWS do: throttled, down, or answered with the
// answer lost.
package awsfaults

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
)

// ErrDown is the error of a Transport that is down.
var ErrDown = errors.New("awsfaults: the network is down")

// A Transport is an http.RoundTripper to the stand-in. The zero value passes everything on. It is safe for concurrent
// use.
type Transport struct {
	once sync.Once
	base *http.Transport // not the default one, whose connections each httptest.Server closes at its end

	mu     sync.Mutex
	faults []*fault
	calls  map[string]int
	down   bool
	before func(action string)
}

type fault struct {
	action, code string
	left         int
	lost         bool
}

// Fail answers the next n calls of an action, such as "PutParameter", with an error code, such as
// "ThrottlingException". An empty action is any.
func (t *Transport) Fail(action, code string, n int) { t.add(&fault{action, code, n, false}) }

// Lose passes the next n calls of an action on, and loses their answers.
func (t *Transport) Lose(action string, n int) { t.add(&fault{action, "", n, true}) }

// SetDown makes every call fail, or ends that.
func (t *Transport) SetDown(down bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.down = down
}

// Before runs f before each call, with its action.
func (t *Transport) Before(f func(action string)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.before = f
}

// Calls returns how many calls of an action were made, failed ones included.
func (t *Transport) Calls(action string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.calls[action]
}

func (t *Transport) add(f *fault) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.faults = append(t.faults, f)
}

// RoundTrip passes the request on, or fails it.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	_, action, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	t.mu.Lock()
	if t.calls == nil {
		t.calls = map[string]int{}
	}
	t.calls[action]++
	down, before := t.down, t.before
	var hit fault
	for _, f := range t.faults {
		if f.left > 0 && (f.action == "" || f.action == action) {
			f.left--
			hit = *f
			break
		}
	}
	t.mu.Unlock()
	if before != nil {
		before(action)
	}
	switch {
	case down:
		return nil, ErrDown
	case hit.code != "":
		body := fmt.Sprintf(`{"__type":%q,"message":"injected"}`, hit.code)
		return &http.Response{
			StatusCode: http.StatusBadRequest, Header: http.Header{"Content-Type": {"application/x-amz-json-1.1"}, "X-Amzn-Errortype": {hit.code}},
			Body: io.NopCloser(bytes.NewBufferString(body)), Request: r,
		}, nil
	}
	// The stand-in may end a connection as a call begins on it, and each call is made once. So each has a new one.
	t.once.Do(func() { t.base = &http.Transport{DisableKeepAlives: true} })
	res, err := t.base.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	// The answer is read here, so the connection has ended before the SDK looks at it.
	body, err := io.ReadAll(res.Body)
	if err = errors.Join(err, res.Body.Close()); err != nil {
		return nil, err
	}
	if hit.lost {
		return nil, ErrDown
	}
	res.Body = io.NopCloser(bytes.NewReader(body))
	return res, nil
}

// Config returns a configuration of the SDK that calls the stand-in at url through t, each call once: what tries again
// is the code under test.
func (t *Transport) Config(url string) aws.Config {
	return aws.Config{
		Region: "eu-central-1", BaseEndpoint: &url, Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""),
		HTTPClient: &http.Client{Transport: t}, RetryMaxAttempts: 1,
	}
}
