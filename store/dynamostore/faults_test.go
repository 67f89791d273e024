package dynamostore_test

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// A fault stands in for the network and the service below the SDK.
type fault struct {
	name   string
	sure   bool // the client knows that nothing was done
	done   bool // the request reached the server
	torn   bool // its answer comes back with its status, and else spoilt
	inject func(next http.RoundTripper, req *http.Request) (*http.Response, error)
}

// faults are all of them. Those named "after" do their harm when the server has done its part.
var faults = []fault{
	{name: "throughput exceeded", sure: true, inject: answer(400, awsError("ProvisionedThroughputExceededException"))},
	{name: "throttling", sure: true, inject: answer(400, awsError("ThrottlingException"))},
	{name: "account limit", sure: true, inject: answer(400, awsError("RequestLimitExceeded"))},
	{name: "transaction conflict", sure: true, inject: refuseByTransaction},
	{name: "too many requests", sure: true, inject: answer(429, `<html>`)},
	{name: "refusal torn", sure: true, inject: answer(400, `{"__type":"com.amazonaws.dyn`)},
	{name: "refusal torn, checksum of the whole", sure: true, inject: func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
		res, err := answer(400, `{"__type":"com.amazonaws.dyn`)(next, req)
		if err == nil {
			res.Header.Set("X-Amz-Crc32", "1")
		}
		return res, err
	}},
	{name: "connection refused", sure: true, inject: fail(&net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED})},
	{name: "500", inject: answer(500, awsError("InternalServerError"))},
	{name: "500 after", done: true, inject: afterwards(answer(500, awsError("InternalServerError")))},
	{name: "503", inject: answer(503, `Service Unavailable`)},
	{name: "503 after", done: true, inject: afterwards(answer(503, ``))},
	{name: "reset", inject: fail(&net.OpError{Op: "write", Net: "tcp", Err: syscall.ECONNRESET})},
	{name: "reset after", done: true, inject: afterwards(fail(&net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}))},
	{name: "end of stream after", done: true, inject: afterwards(fail(io.ErrUnexpectedEOF))},
	{name: "time-out", inject: fail(timeout{})},
	{name: "time-out after", done: true, inject: afterwards(fail(timeout{}))},
	{name: "answer cut", done: true, torn: true, inject: tear(func(res *http.Response, body []byte) []byte { return body[:len(body)/2] })},
	{name: "answer cut, length to match", done: true, torn: true, inject: tear(func(res *http.Response, body []byte) []byte {
		res.ContentLength = int64(len(body) / 2)
		return body[:len(body)/2]
	})},
	{name: "answer empty", done: true, torn: true, inject: tear(func(res *http.Response, body []byte) []byte {
		res.ContentLength = 0
		return nil
	})},
	{name: "answer empty, no checksum", done: true, torn: true, inject: tear(func(res *http.Response, body []byte) []byte {
		res.ContentLength = 0
		res.Header.Del("X-Amz-Crc32")
		return nil
	})},
	{name: "answer of nothing, checksum wrong", done: true, torn: true, inject: tear(func(res *http.Response, body []byte) []byte {
		res.ContentLength = 2
		res.Header.Set("X-Amz-Crc32", strconv.Itoa(int(crc32.ChecksumIEEE(body))+1))
		return []byte("{}")
	})},
	{name: "answer not JSON", done: true, torn: true, inject: tear(func(res *http.Response, body []byte) []byte {
		res.ContentLength = 12
		res.Header.Del("X-Amz-Crc32")
		return []byte("<html></html")
	})},
}

type timeout struct{}

func (timeout) Error() string   { return "i/o timeout" }
func (timeout) Timeout() bool   { return true }
func (timeout) Temporary() bool { return true }

func awsError(code string) string {
	return `{"__type":"com.amazonaws.dynamodb.v20120810#` + code + `","message":"injected"}`
}

func answer(status int, body string) func(http.RoundTripper, *http.Request) (*http.Response, error) {
	return func(_ http.RoundTripper, req *http.Request) (*http.Response, error) {
		if err := spend(req); err != nil {
			return nil, err
		}
		h := http.Header{"Content-Type": {"application/x-amz-json-1.0"}, "X-Amz-Crc32": {fmt.Sprint(crc32.ChecksumIEEE([]byte(body)))}}
		return &http.Response{
			StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: h,
			Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)), Request: req,
		}, nil
	}
}

// refuseByTransaction is how DynamoDB refuses what meets a transaction under way: in two ways.
func refuseByTransaction(next http.RoundTripper, req *http.Request) (*http.Response, error) {
	body := awsError("TransactionConflictException")
	if strings.HasSuffix(req.Header.Get("X-Amz-Target"), ".TransactWriteItems") {
		body = `{"__type":"com.amazonaws.dynamodb.v20120810#TransactionCanceledException","message":"Transaction cancelled",` +
			`"CancellationReasons":[{"Code":"None"},{"Code":"TransactionConflict","Message":"injected"},{"Code":"ThrottlingError"},{"Code":"ProvisionedThroughputExceeded"}]}`
	}
	return answer(400, body)(next, req)
}

func fail(err error) func(http.RoundTripper, *http.Request) (*http.Response, error) {
	return func(_ http.RoundTripper, req *http.Request) (*http.Response, error) {
		return nil, errors.Join(spend(req), err)
	}
}

// spend reads the body of a request that goes nowhere, as a transport must close it.
func spend(req *http.Request) error {
	_, err := io.Copy(io.Discard, req.Body)
	return errors.Join(err, req.Body.Close())
}

// afterwards lets the server do its part and then the fault its own.
func afterwards(harm func(http.RoundTripper, *http.Request) (*http.Response, error)) func(http.RoundTripper, *http.Request) (*http.Response, error) {
	return func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
		res, err := next.RoundTrip(req)
		if err != nil {
			return nil, fmt.Errorf("the server could not be reached: %w", err)
		}
		_, err = io.Copy(io.Discard, res.Body)
		if err := errors.Join(err, res.Body.Close()); err != nil {
			return nil, err
		}
		empty := req.Clone(req.Context())
		empty.Body = http.NoBody
		return harm(next, empty)
	}
}

// tear changes the answer of the server. A body shorter than its length ends as the transport would end it.
func tear(change func(res *http.Response, body []byte) []byte) func(http.RoundTripper, *http.Request) (*http.Response, error) {
	return func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
		res, err := next.RoundTrip(req)
		if err != nil {
			return nil, err
		}
		body, err := io.ReadAll(res.Body)
		if err := errors.Join(err, res.Body.Close()); err != nil {
			return nil, err
		}
		res.ContentLength = int64(len(body))
		torn := change(res, body)
		res.Body = io.NopCloser(bytes.NewReader(torn))
		if int64(len(torn)) < res.ContentLength {
			res.Body = io.NopCloser(io.MultiReader(bytes.NewReader(torn), broken{}))
		}
		return res, nil
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// faulty is a transport with faults: those of the plan, one for each request, and then at random.
type faulty struct {
	next http.RoundTripper
	odds float64 // of a fault, once the plan is done

	mu       sync.Mutex
	plan     []fault
	requests int
	injected map[string]int
}

func (f *faulty) RoundTrip(req *http.Request) (*http.Response, error) {
	f.mu.Lock()
	f.requests++
	var now *fault
	switch {
	case len(f.plan) > 0:
		now, f.plan = &f.plan[0], f.plan[1:]
	case rand.Float64() < f.odds:
		now = &faults[rand.IntN(len(faults))]
	}
	if now != nil {
		if f.injected == nil {
			f.injected = make(map[string]int)
		}
		f.injected[now.name]++
	}
	f.mu.Unlock()
	if now != nil {
		return now.inject(f.next, req)
	}
	return f.next.RoundTrip(req)
}

// count returns how many requests there were, and how many met the fault of this name.
func (f *faulty) count(name string) (requests, injected int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.requests, f.injected[name]
}
