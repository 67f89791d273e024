package lambdahttp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/posternauth/postern/internal/httperr"
	"github.com/posternauth/postern/internal/local"
)

// Config of a [Function]. Its zero value is right for most.
type Config struct {
	// StripPath is taken off the front of paths that have it: the base path, or API mapping key, under which a custom
	// domain serves the API ("/v1"). It begins with a slash and ends without one. Default: nothing is taken off.
	StripPath string

	// AddPath is put in front of every path, after the stage and StripPath are off. It is for a handler that routes by
	// the path of the public URL where the event has only a part of it: with the issuer
	// https://id.execute-api.eu-west-1.amazonaws.com/dev/auth, where "dev" is the stage, AddPath is "/dev". Same form as
	// StripPath. Default: none.
	AddPath string

	// Fallback answers events that are no HTTP requests: a queue's, a schedule's, an authorizer's. It gets the event and
	// returns JSON; event may be read until it returns. lambda.NewHandler(f).Invoke of aws-lambda-go makes one of a typed
	// function. Default: ErrNotHTTP.
	Fallback func(ctx context.Context, event []byte) ([]byte, error)

	// AllowLocalStore lets a store.Memory work, for tests and for functions that may forget. On Lambda the next request
	// may meet another process, which knows nothing of what this one keeps: links and codes would work twice or never.
	// Default: a Memory that is asked for something below a request answers store.ErrLocal.
	AllowLocalStore bool

	// Logger hears of requests that were refused (info), of cookies a load balancer may lose (warn), and of panics and
	// answers too large to send (error). Default: nothing is logged.
	Logger *slog.Logger
}

// A Function is an http.Handler as the handler of a Lambda function. It may be invoked many times at once.
type Function struct {
	handler    http.Handler
	strip, add string
	fallback   func(context.Context, []byte) ([]byte, error)
	allowLocal bool
	log        *slog.Logger
	cookies    sync.Once // the warning of a load balancer's cookies
}

// New makes a Function of a handler. It starts nothing and reads nothing. Its error names what is wrong with the
// configuration.
func New(h http.Handler, c Config) (*Function, error) {
	var errs []error
	if h == nil {
		errs = append(errs, errors.New("lambdahttp: the handler is nil: pass an http.Handler, such as a *http.ServeMux"))
	}
	errs = append(errs, checkPath("StripPath", c.StripPath), checkPath("AddPath", c.AddPath))
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	f := &Function{
		handler: h, strip: c.StripPath, add: c.AddPath, fallback: c.Fallback, allowLocal: c.AllowLocalStore, log: c.Logger,
	}
	if f.log == nil {
		f.log = slog.New(slog.DiscardHandler)
	}
	return f, nil
}

func checkPath(name, p string) error {
	if p != "" && (p[0] != '/' || strings.HasSuffix(p, "/") || strings.ContainsAny(p, "?#%")) {
		return fmt.Errorf(`lambdahttp: Config.%s is %q: write it as "/v1", without a slash at the end`, name, p)
	}
	return nil
}

// Start serves a handler on Lambda: it is the whole of main. It asks for events until Lambda ends the process, and
// doesn't return; elsewhere than on Lambda it ends the process with a message. It logs to slog.Default. For anything in
// Config, use New and Function.Start.
func Start(h http.Handler) {
	f, err := New(h, Config{Logger: slog.Default()})
	if err != nil {
		panic(err)
	}
	f.Start()
}

// Start asks Lambda for events and answers them. It doesn't return.
func (f *Function) Start() { lambda.Start(f) }

// Invoke answers one event. It needs no Lambda, so tests may call it with events of their own, and it is what
// aws-lambda-go calls a lambda.Handler.
//
// What the client did wrong is an answer of status 400, a panic of the handler or an answer too large for Lambda one of
// status 500. An error is returned for events that are no HTTP requests (ErrNotHTTP), or by Config.Fallback.
func (f *Function) Invoke(ctx context.Context, event []byte) ([]byte, error) {
	var e wire
	// A member of an unexpected type makes an event of another source; what is no JSON at all was not sent by Lambda.
	err := json.Unmarshal(event, &e)
	k, other := e.kind()
	if err != nil {
		k, other = "", "an event of another source"
	}
	if k == "" {
		if f.fallback != nil {
			return f.fallback(ctx, event)
		}
		return nil, notHTTP(event, other)
	}
	return f.serve(ctx, &e, k, event), nil
}

func (f *Function) serve(ctx context.Context, e *wire, k Kind, event []byte) []byte {
	ctx, cancel := shorten(ctx)
	defer cancel()
	ev := newEvent(e, k, event)
	ctx = context.WithValue(ctx, eventKey{}, ev)
	if !f.allowLocal {
		ctx = local.Refuse(ctx)
	}
	shape := formOf(e, k)
	r, err := f.request(ctx, e, k, ev)
	if err != nil {
		f.log.InfoContext(ctx, "lambdahttp: request refused", "reason", err.Error(), "request_id", ev.RequestID)
		return refusal(shape, e.Method, http.StatusBadRequest, "invalid_request", err.Error())
	}
	w := newWriter(shape.size())
	if !f.call(w, r, ev) {
		return refusal(shape, r.Method, http.StatusInternalServerError, "server_error", "the request failed")
	}
	w.finish()
	if !w.tooLarge {
		if answer := w.answer(shape, r.Method); len(answer) <= shape.size() && (shape != elb || f.fits(ctx, w)) {
			return answer
		}
	}
	f.log.ErrorContext(ctx, "lambdahttp: answer cannot be sent", "status", w.status, "limit_bytes", shape.size(), "cookies", w.cookies(), "request_id", ev.RequestID)
	return refusal(shape, r.Method, http.StatusInternalServerError, "server_error", "the answer is too large")
}

// fits tells whether a load balancer with single-value headers can be given these cookies, and warns of it once.
func (f *Function) fits(ctx context.Context, w *writer) bool {
	n := w.cookies()
	if n > 1 {
		f.cookies.Do(func() {
			f.log.WarnContext(ctx, "lambdahttp: several cookies for a load balancer that takes one header of a name: turn on lambda.multi_value_headers.enabled of its target group")
		})
	}
	return n <= spellings
}

// call runs the handler and reports whether it returned. A panic is that of one request, as with net/http.
func (f *Function) call(w http.ResponseWriter, r *http.Request, ev *Event) (returned bool) {
	defer func() {
		// http.ErrAbortHandler is a handler's way to send nothing more, and asks not to be logged.
		if v := recover(); v != nil && v != http.ErrAbortHandler {
			f.log.ErrorContext(r.Context(), "lambdahttp: panic in the handler", "panic", fmt.Sprint(v), "request_id", ev.RequestID, "stack", string(debug.Stack()))
		}
	}()
	f.handler.ServeHTTP(w, r)
	return true
}

// shorten ends the context of a request a little before Lambda ends the process (a twentieth of the time that is left,
// at most half a second), so that a handler that waits in vain for a database can still say so.
func shorten(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, deadline.Add(-min(time.Until(deadline)/20, 500*time.Millisecond)))
}

// refusal is an answer of the adapter's own.
func refusal(shape form, method string, status int, code, description string) []byte {
	w := newWriter(shape.size())
	httperr.Write(w, status, code, description)
	w.finish()
	return w.answer(shape, method)
}
