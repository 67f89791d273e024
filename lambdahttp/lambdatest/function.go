package lambdatest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
)

// MaxPayload is the largest event and the largest result of a synchronous invocation, in bytes: 6 MB as Lambda counts
// it.
//
// Source: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
const MaxPayload = 6291556

// ErrPayloadTooLarge is returned by Invoke for an event above [MaxPayload]. The function is not called.
var ErrPayloadTooLarge = errors.New("lambdatest: the event is larger than 6291556 bytes, which Lambda refuses: send less")

// A Function is a Lambda function: bytes in, bytes out. [Func] runs in this process, [Runtime] in separate processes.
//
// An error that the function itself returned, its crash and its timeout are a [*FunctionError]; any other error means
// that it was not called. Invoke may be called by several goroutines at once.
type Function interface {
	Invoke(ctx context.Context, payload []byte) ([]byte, error)
}

// Func makes a [Function] of a Go function, in this process.
//
// Invoke gives up when ctx ends, as Lambda does at the timeout of a function; a Func that ignores its context then runs
// on until it returns, and its result is dropped. A panic is a function error, as it is on Lambda.
type Func func(ctx context.Context, payload []byte) ([]byte, error)

// Invoke calls the function.
func (f Func) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	if len(payload) > MaxPayload {
		return nil, ErrPayloadTooLarge
	}
	type answer struct {
		out []byte
		err error
	}
	done := make(chan answer, 1)
	go func() {
		var a answer
		defer func() {
			if p := recover(); p != nil {
				a = answer{err: newFunctionError(panicType(p), fmt.Sprint(p))}
			}
			done <- a
		}()
		a.out, a.err = f(ctx, payload)
	}()
	select {
	case a := <-done:
		return checkAnswer(a.out, a.err)
	case <-ctx.Done():
		return nil, &FunctionError{Type: errTimedOut, Message: "the call was given up: " + context.Cause(ctx).Error(), cause: ctx.Err()}
	}
}

func checkAnswer(out []byte, err error) ([]byte, error) {
	var fe *FunctionError
	switch {
	case err == nil && len(out) > MaxPayload:
		return nil, tooLarge()
	case err == nil || errors.As(err, &fe):
		return out, err
	}
	e := newFunctionError(errorType(err), err.Error())
	e.cause = err
	return nil, e
}

// Types that Lambda gives to the errors it reports itself.
const (
	errTimedOut = "Sandbox.Timedout"
	errExit     = "Runtime.ExitError"
	errTooLarge = "Function.ResponseSizeTooLarge"
)

// A FunctionError is an error that a function reported, or how it ended.
type FunctionError struct {
	// Type is the type the runtime named, such as "errorString", "Runtime.ExitError" or "Sandbox.Timedout".
	Type string
	// Message is the text of the error and nothing else. API Gateway compares an authorizer's with "Unauthorized".
	Message string
	// Payload is the document as the runtime sent it, with the stack trace if there is one.
	Payload json.RawMessage

	cause error
}

func (e *FunctionError) Error() string {
	return "lambdatest: the function failed: " + e.Type + ": " + e.Message
}

// Unwrap returns the error of a [Func], or that of the context that ended the call.
func (e *FunctionError) Unwrap() error { return e.cause }

func newFunctionError(typ, message string) *FunctionError {
	payload, err := json.Marshal(map[string]string{"errorType": typ, "errorMessage": message})
	if err != nil {
		payload = []byte(`{}`) // a map of strings always marshals
	}
	return &FunctionError{Type: typ, Message: message, Payload: payload}
}

func tooLarge() *FunctionError {
	return newFunctionError(errTooLarge, fmt.Sprintf("Response payload size exceeded maximum allowed payload size (%d bytes).", MaxPayload))
}

// errorType names an error as aws-lambda-go does: the bare name of its type.
func errorType(err error) string {
	t := reflect.TypeOf(err)
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.Name()
}

func panicType(p any) string {
	if err, ok := p.(error); ok {
		return errorType(err)
	}
	return reflect.TypeOf(p).Name()
}

// parseFunctionError reads what a runtime posts to an error endpoint. header is Lambda-Runtime-Function-Error-Type,
// which stands in where the body names no type.
func parseFunctionError(body []byte, header string) *FunctionError {
	var doc struct {
		Type    string `json:"errorType"`
		Message string `json:"errorMessage"`
	}
	if err := json.Unmarshal(body, &doc); err != nil {
		doc.Message = string(body)
		if payload, err := json.Marshal(doc.Message); err == nil {
			body = payload
		}
	}
	if doc.Type == "" {
		doc.Type = header
	}
	if doc.Type == "" {
		doc.Type = "Runtime.Unknown"
	}
	return &FunctionError{Type: doc.Type, Message: doc.Message, Payload: body}
}
