package lambdahttp_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/posternauth/postern/lambdahttp"
	"github.com/posternauth/postern/store"
)

// TestInvoke_Fallback: an event other than an HTTP request goes to the fallback unchanged, and so does the answer back.
func TestInvoke_Fallback(t *testing.T) {
	f := function(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {}), lambdahttp.Config{
		Fallback: func(ctx context.Context, event []byte) ([]byte, error) {
			if _, ok := lambdahttp.From(ctx); ok {
				t.Error("an event other than a request is in the context")
			}
			if strings.Contains(string(event), "fail") {
				return nil, io.ErrUnexpectedEOF
			}
			return append([]byte("got "), event...), nil
		},
	})
	for _, event := range []string{
		`{"Records":[{"eventSource":"aws:sqs","body":"x"}]}`, `{"type":"TOKEN","methodArn":"arn"}`, `{"path":5}`, `[]`, `{}`,
		`{"requestContext":{"connectionId":"a","eventType":"MESSAGE"},"body":"x"}`,
	} {
		if out, err := f.Invoke(t.Context(), []byte(event)); err != nil || string(out) != "got "+event {
			t.Errorf("%s: %s, %v", event, out, err)
		}
	}
	if _, err := f.Invoke(t.Context(), []byte(`{"fail":1}`)); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("the fallback's error: %v", err)
	}
	if got := invoke(t, f, sent{}.event("rest")); got.Status != 200 || strings.HasPrefix(got.raw, "got") {
		t.Errorf("a request went to the fallback: %s", got.raw)
	}
}

// TestInvoke_NotHTTP: without a fallback the error names what came by its members, and never a value.
func TestInvoke_NotHTTP(t *testing.T) {
	f := function(t, http.NotFoundHandler(), lambdahttp.Config{})
	for event, want := range map[string]string{
		`{"Records":[{"eventSource":"secret"}]}`:                                                     `an event of another source, with "Records"`,
		`{"type":"TOKEN","authorizationToken":"secret","methodArn":"secret"}`:                        `a request to a Lambda authorizer, with "authorizationToken", "methodArn", "type"`,
		`{"type":"REQUEST","version":"2.0","httpMethod":"GET","path":"/secret"}`:                     `a request to a Lambda authorizer`,
		`{"requestContext":{"connectionId":"secret"},"httpMethod":"POST","path":"/secret"}`:          `an event of a WebSocket API, with "httpMethod", "path", "requestContext"`,
		`{"version":"2.0","path":"/secret","method":"GET","requestContext":{"serviceArn":"secret"}}`: `a request of VPC Lattice`,
		`{"httpMethod":["secret"],"path":"/secret"}`:                                                 `an event of another source, with "httpMethod", "path"`,
		`{"messageVersion":"1.0","apiPath":"/secret","httpMethod":"GET","agent":{}}`:                 `an event of another source, with "agent", "apiPath"`, // Bedrock agents
		`{"requestContext":{"elb":{"targetGroupArn":"secret"}}}`:                                     `an event of another source, with "requestContext"`,
		`"secret"`: `the event is not a JSON object`,
		`{"secret`: `the event is not a JSON object`,
		`{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1,"h":1,"i":1,"j":1,"k":1,"l":1,"m":1,"n":1,"o":1,"p":1,"q":1}`: `"p", …: set Config.Fallback`,
	} {
		out, err := f.Invoke(t.Context(), []byte(event))
		if out != nil || !errors.Is(err, lambdahttp.ErrNotHTTP) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", event, err)
		}
	}
}

// TestInvoke_Deadline: the context ends with the request, and early enough before Lambda's deadline to say so.
func TestInvoke_Deadline(t *testing.T) {
	for timeout, want := range map[time.Duration]time.Duration{
		3 * time.Second:        2850 * time.Millisecond,
		29 * time.Second:       28500 * time.Millisecond,
		100 * time.Millisecond: 95 * time.Millisecond,
	} {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), timeout)
			defer cancel()
			var inner context.Context
			f := function(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				inner = r.Context()
				<-inner.Done()
				http.Error(w, "too slow", http.StatusServiceUnavailable)
			}), lambdahttp.Config{})
			out, err := f.Invoke(ctx, sent{}.event("http-2.0"))
			if took := time.Since(start); took != want || err != nil || !strings.Contains(string(out), "too slow") {
				t.Errorf("of %v: answered after %v, want %v: %s, %v", timeout, took, want, out, err)
			}
			if !errors.Is(inner.Err(), context.DeadlineExceeded) || ctx.Err() != nil {
				t.Errorf("the request's context: %v, Lambda's: %v", inner.Err(), ctx.Err())
			}
		})
	}
	var inner context.Context
	f := function(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		inner = r.Context()
		if _, ok := inner.Deadline(); ok || inner.Err() != nil || inner.Value(key{}) != "kept" {
			t.Errorf("the context of a request without a deadline: %v", inner)
		}
	}), lambdahttp.Config{})
	if _, err := f.Invoke(context.WithValue(t.Context(), key{}, "kept"), sent{}.event("rest")); err != nil || inner.Err() == nil {
		t.Errorf("%v; the context after the request: %v", err, inner.Err())
	}
}

type key struct{}

// TestInvoke_LocalStore: a store of one process answers nothing below a request, unless it may; elsewhere it works.
func TestInvoke_LocalStore(t *testing.T) {
	var st store.Memory
	use := func(ctx context.Context) (errs [4]error) {
		k := store.Key{Part: "p", ID: "i"}
		_, errs[0] = st.Get(ctx, k)
		errs[1] = st.Write(ctx, store.Put(store.Item{Key: store.Key{Part: "p", ID: time.Now().String()}, Value: []byte("{}")}))
		_, errs[2] = st.Add(ctx, k, 1, time.Now().Add(time.Hour))
		_, _, errs[3] = st.List(ctx, "p", "", 1)
		return errs
	}
	for _, allow := range []bool{false, true} {
		f := function(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			below, cancel := context.WithTimeout(r.Context(), time.Second)
			defer cancel()
			for i, err := range use(below) {
				if allow && err != nil || !allow && !errors.Is(err, store.ErrLocal) {
					t.Errorf("AllowLocal %v, operation %d: %v", allow, i, err)
				}
			}
		}), lambdahttp.Config{AllowLocal: allow})
		invoke(t, f, sent{}.event("http-2.0"))
	}
	if errs := use(t.Context()); errs != [4]error{} {
		t.Errorf("outside of a request: %v", errs)
	}
}

// TestC11_Concurrent: a function may be invoked many times at once (Lambda Managed Instances do), and nothing of one
// request is seen by another.
func TestC11_Concurrent(t *testing.T) {
	f := function(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ev, _ := lambdahttp.From(r.Context())
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Who", r.Header.Get("X-Who"))
		http.SetCookie(w, &http.Cookie{Name: "who", Value: r.URL.Query().Get("who")})
		http.SetCookie(w, &http.Cookie{Name: "kind", Value: string(ev.Format)})
		fmt.Fprintf(w, "%s %s", r.URL.Path, body)
	}), lambdahttp.Config{})
	var all sync.WaitGroup
	for i := range 32 {
		all.Go(func() {
			for n := range 50 {
				who, shape := fmt.Sprintf("%d-%d", i, n), shapes[(i+n)%len(shapes)]
				got := invoke(t, f, sent{method: "POST", path: "/" + who, query: "who=" + who, header: []string{"X-Who", who}, body: who}.event(shape))
				kind := strings.TrimSuffix(shape, "-multi")
				if h := got.header(); got.Body != "/"+who+" "+who || h.Get("X-Who") != who || fmt.Sprint(h["Set-Cookie"]) != fmt.Sprintf("[kind=%s who=%s]", kind, who) {
					t.Errorf("%s: %s", who, got.raw)
				}
			}
		})
	}
	all.Wait()
}
