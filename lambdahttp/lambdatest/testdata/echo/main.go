// Command echo is the function under test: a bootstrap that does what its event asks for.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"testing/iotest"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

type order struct {
	Do   string `json:"do"`
	Text string `json:"text"`
	Size int    `json:"size"`

	RequestContext json.RawMessage `json:"requestContext"`
}

func handle(ctx context.Context, event json.RawMessage) (any, error) {
	var o order
	if err := json.Unmarshal(event, &o); err != nil {
		return nil, err
	}
	switch o.Do {
	case "fail":
		return nil, errors.New(o.Text)
	case "panic":
		panic(o.Text)
	case "exit":
		os.Exit(3)
	case "hang":
		hang()
	case "big":
		return strings.Repeat("x", o.Size), nil
	case "break": // a result that breaks off
		return io.MultiReader(strings.NewReader("half"), iotest.ErrReader(errors.New(o.Text))), nil
	case "print":
		fmt.Println(o.Text)
		fmt.Fprintln(os.Stderr, o.Text+" again")
	case "child": // leaves a process behind
		cmd := exec.Command("sleep", "600")
		if err := cmd.Start(); err != nil {
			return nil, err
		}
		return cmd.Process.Pid, nil
	case "wait": // until the listener at the address hangs up
		conn, err := net.Dial("tcp", o.Text)
		if err != nil {
			return nil, err
		}
		if _, err := io.ReadAll(conn); err != nil {
			return nil, err
		}
	}
	if o.RequestContext != nil { // an event of a gateway
		return map[string]any{"statusCode": 200, "body": string(event)}, nil
	}
	lc, _ := lambdacontext.FromContext(ctx)
	deadline, _ := ctx.Deadline()
	return map[string]any{
		"event":     event,
		"pid":       os.Getpid(),
		"requestID": lc.AwsRequestID,
		"arn":       lc.InvokedFunctionArn,
		"deadline":  deadline.UnixMilli(),
		"trace":     os.Getenv("_X_AMZN_TRACE_ID"),
		"env":       os.Environ(),
	}, nil
}

// hang blocks for ever. Waiting for a signal is not a deadlock in the eyes of the Go runtime.
func hang() {
	c := make(chan os.Signal, 1)
	signal.Notify(c, os.Interrupt)
	for {
		<-c
	}
}

func base() string { return "http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API") + "/2018-06-01/runtime/" }

func post(path, body string) int {
	res, err := http.Post(base()+path, "application/json", strings.NewReader(body))
	if err != nil {
		return 0
	}
	_ = res.Body.Close()
	return res.StatusCode
}

func next() (id string, status int) {
	res, err := http.Get(base() + "invocation/next")
	if err != nil {
		return "", 0
	}
	_ = res.Body.Close()
	return res.Header.Get("Lambda-Runtime-Aws-Request-Id"), res.StatusCode
}

// raw breaks the rules of the Runtime API, and answers its first event with the statuses it got.
func raw() {
	id, first := next()
	_, second := next()
	statuses := []int{first, second, post("invocation/other/response", "{}"), post("init/error", "{}"), post("nothing", "{}")}
	if res, err := http.Get(base() + "invocation/" + id + "/response"); err == nil {
		_ = res.Body.Close()
		statuses = append(statuses, res.StatusCode)
	}
	post("invocation/"+id+"/response", fmt.Sprint(statuses))
	id, _ = next()
	// The second event shows what an answer after the answer gets.
	again := []int{post("invocation/"+id+"/error", `not JSON`), post("invocation/"+id+"/response", "{}")}
	id, _ = next()
	post("invocation/"+id+"/response", fmt.Sprint(again))
	hang()
}

func main() {
	switch os.Getenv("ECHO_INIT") {
	case "exit":
		os.Exit(7)
	case "hang":
		hang()
	case "report":
		post("init/error", `{"errorType":"Init.Broken","errorMessage":"no key"}`)
		hang()
	case "raw":
		raw()
	}
	lambda.Start(handle)
}
