package lambdatest

import (
	"encoding/json"
	"errors"
	"testing"
)

// TestRuntimeAPI: the answers to a process that breaks the rules.
//
// Source: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
func TestRuntimeAPI(t *testing.T) {
	rt := newRuntime(t, RuntimeConfig{Env: []string{"ECHO_INIT=raw"}})
	out, err := rt.Invoke(t.Context(), []byte("1"))
	// An event, a second before the answer, an unknown event, a late error of initialisation, no such path, no such
	// method.
	if want := "[200 403 400 403 404 405]"; err != nil || string(out) != want {
		t.Errorf("got %s and %v, want %s", out, err, want)
	}
	if fe := fails(t, rt, "2"); fe.Type != "Runtime.Unknown" || fe.Message != "not JSON" || !json.Valid(fe.Payload) {
		t.Errorf("got %+v", fe)
	}
	if out, err := rt.Invoke(t.Context(), []byte("3")); err != nil || string(out) != "[202 400]" {
		t.Errorf("got %s and %v, want [202 400]", out, err)
	}
}

func TestRuntimeAPI_InitError(t *testing.T) {
	rt := newRuntime(t, RuntimeConfig{Env: []string{"ECHO_INIT=report"}})
	for range 2 {
		if fe := fails(t, rt, `{}`); fe.Type != "Init.Broken" || fe.Message != "no key" {
			t.Errorf("got %v", fe)
		}
	}
	if n := rt.Processes(); n != 0 {
		t.Errorf("%d processes are left", n)
	}
}

// A result that breaks off while it is read is reported in trailers.
func TestRuntimeAPI_Trailer(t *testing.T) {
	rt := newRuntime(t, RuntimeConfig{})
	if fe := fails(t, rt, `{"do":"break","text":"the file is gone"}`); fe.Type != "errorString" || fe.Message != "the file is gone" {
		t.Errorf("got %+v", fe)
	}
}

func TestParseFunctionError(t *testing.T) {
	for _, tt := range []struct{ body, header, typ, message string }{
		{`{"errorType":"A","errorMessage":"b"}`, "C", "A", "b"},
		{`{"errorMessage":"b"}`, "C", "C", "b"},
		{`{}`, "", "Runtime.Unknown", ""},
		{`oops`, "C", "C", "oops"},
	} {
		fe := parseFunctionError([]byte(tt.body), tt.header)
		if fe.Type != tt.typ || fe.Message != tt.message || !json.Valid(fe.Payload) {
			t.Errorf("%s: got %+v", tt.body, fe)
		}
	}
}

// The errors of a real authorizer process mean what those of a Func mean.
func TestRuntime_AsAuthorizer(t *testing.T) {
	rt := newRuntime(t, RuntimeConfig{})
	for text, want := range map[string]int{"Unauthorized": 401, "unauthorized": 500} {
		order, err := json.Marshal(map[string]string{"do": "fail", "text": text})
		if err != nil {
			t.Fatal(err)
		}
		g, f := api(t, Config{Type: REST}, &LambdaAuthorizer{Function: replaced{rt, order}, Timeout: maxTTL})
		if res := serve(g, request("GET", "/prod/a", "", "Authorization: t")); res.StatusCode != want || f.calls() != 0 {
			t.Errorf("%s: got %d, want %d", text, res.StatusCode, want)
		}
	}
}

func TestPartition(t *testing.T) {
	for region, want := range map[string]string{"eu-west-1": "aws", "cn-north-1": "aws-cn", "us-gov-west-1": "aws-us-gov"} {
		if got := partition(region, "lambda", "1"); got != "arn:"+want+":lambda:"+region+":1:" {
			t.Errorf("got %s", got)
		}
	}
}

func TestNewRuntime_Refuses(t *testing.T) {
	path := bootstrap(t)
	for name, cfg := range map[string]RuntimeConfig{
		"no program": {},
		"missing":    {Bootstrap: path + "x"},
		"timeout":    {Bootstrap: path, Timeout: -1},
	} {
		if _, err := NewRuntime(cfg); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	rt, err := NewRuntime(RuntimeConfig{Bootstrap: path, Dir: path}) // a folder that is none: the start fails
	if err != nil {
		t.Fatal(err)
	}
	var fe *FunctionError
	if _, err := rt.Invoke(t.Context(), nil); err == nil || errors.As(err, &fe) {
		t.Errorf("got %v, want an error that is not the function's", err)
	}
}
