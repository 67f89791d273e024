package lambdatest

import (
	"context"
	"errors"
	"fmt"
	"testing"
)

type custom struct{}

func (*custom) Error() string { return "mine" }

func TestFunc(t *testing.T) {
	wrapped := fmt.Errorf("more: %w", &FunctionError{Type: "T", Message: "m"})
	tests := []struct {
		name         string
		f            Func
		out          int
		typ, message string
		is           error
	}{
		{name: "result", f: func(_ context.Context, in []byte) ([]byte, error) { return in, nil }, out: 2},
		{name: "largest result", f: func(context.Context, []byte) ([]byte, error) { return make([]byte, MaxPayload), nil }, out: MaxPayload},
		{name: "too large", f: func(context.Context, []byte) ([]byte, error) { return make([]byte, MaxPayload+1), nil }, typ: errTooLarge, message: "Response payload size exceeded maximum allowed payload size (6291556 bytes)."},
		{name: "error", f: func(context.Context, []byte) ([]byte, error) { return nil, errors.New("Unauthorized") }, typ: "errorString", message: "Unauthorized"},
		{name: "own type", f: func(context.Context, []byte) ([]byte, error) { return nil, &custom{} }, typ: "custom", message: "mine"},
		{name: "kept error", f: func(context.Context, []byte) ([]byte, error) { return nil, context.Canceled }, typ: "errorString", message: "context canceled", is: context.Canceled},
		{name: "function error", f: func(context.Context, []byte) ([]byte, error) { return nil, wrapped }, typ: "T", message: "m"},
		{name: "panic", f: func(context.Context, []byte) ([]byte, error) { panic("boom") }, typ: "string", message: "boom"},
		{name: "panic with an error", f: func(context.Context, []byte) ([]byte, error) { panic(&custom{}) }, typ: "custom", message: "mine"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			out, err := tt.f.Invoke(t.Context(), []byte("{}"))
			if tt.typ == "" {
				if err != nil || len(out) != tt.out {
					t.Fatalf("got %d bytes and %v", len(out), err)
				}
				return
			}
			var fe *FunctionError
			if !errors.As(err, &fe) || fe.Type != tt.typ || fe.Message != tt.message {
				t.Fatalf("got %v, want %s: %s", err, tt.typ, tt.message)
			}
			if tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("%v does not wrap %v", err, tt.is)
			}
		})
	}
	t.Run("event too large", func(t *testing.T) {
		called := false
		f := Func(func(context.Context, []byte) ([]byte, error) { called = true; return nil, nil })
		if _, err := f.Invoke(t.Context(), make([]byte, MaxPayload+1)); !errors.Is(err, ErrPayloadTooLarge) || called {
			t.Errorf("got %v, called %v", err, called)
		}
	})
	t.Run("given up", func(t *testing.T) {
		block := make(chan struct{})
		defer close(block)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := Func(func(context.Context, []byte) ([]byte, error) { <-block; return nil, nil }).Invoke(ctx, nil)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
}
