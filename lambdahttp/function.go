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
	"github.com/posternauth/postern/internal/oneprocess"
)

// Config of a [Function]. Its zero value is right for most programs.
type Config struct {
	// StripPath is removed from the front of paths that have it: the base path, or API mapping key, under which a
	// custom domain serves the API ("/v1"). It begins with a slash and ends without one. Nothing is removed from a
	// path within an API of API Gateway, because an authorizer in front has compared that path. If it is unclear
	// which one a path is, the answer is 400.
	// Defaults to nothing.
	StripPath string

	// AddPath is put in front of every path, after the stage and StripPath were removed. It is for a handler that
	// routes by the public path if the event has only a part of it: with the issuer
	// https://id.execute-api.eu-west-1.amazonaws.com/dev/auth, where "dev" is the stage, AddPath is "/dev". It has
	// the form of StripPath.
	// Defaults to nothing.
	AddPath string

	// Fallback answers events other than HTTP requests: of queues, schedules, authorizers. It returns JSON, and may
	// read event until it returns. lambda.NewHandler(f).Invoke of aws-lambda-go makes one of a typed function.
	// Defaults to the error ErrNotHTTP.
	Fallback func(ctx context.Context, event []byte) ([]byte, error)

	// AllowLocal lets a store.Memory and keys of one process work, for tests and for functions that may forget. On
	// Lambda the next request may reach another process, which does not have this one's data and keys: links and codes
	// would work twice or never, and tokens of one process would be refused by the others.
	//
	// Defaults to false. Below a request a store.Memory then returns store.ErrLocal. A keys.Ring in a keys.MemoryVault,
	// a keys.FileVault below /tmp or a keys.StoreVault over a store.Memory returns keys.ErrLocal, and so does a
	// keys.StaticSigner with a key of keys.Generate. People get 503, and the log has the reason.
	AllowLocal bool

	// Logger gets refused requests (info), cookies that a load balancer may lose (warn), and panics and answers too
	// large to send (error).
	//
	// Defaults to slog.Default().
	Logger *slog.Logger
}

// A Function serves an http.Handler as a Lambda function. It is safe for concurrent use.
type Function struct {
	handler    http.Handler
	strip, add string
	fallback   func(context.Context, []byte) ([]byte, error)
	allowLocal bool
	log        *slog.Logger
	cookies    sync.Once // the warning of a load balancer's cookies
}

// New returns a Function that serves a handler. It starts nothing and reads nothing. Its error names the field of c
// that is wrong.
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
		handler: h, strip: c.StripPath, add: c.AddPath, fallback: c.Fallback, allowLocal: c.AllowLocal, log: c.Logger,
	}
	if f.log == nil {
		f.log = slog.Default()
	}
	return f, nil
}

func checkPath(name, p string) error {
	if p != "" && (p[0] != '/' || strings.HasSuffix(p, "/") || strings.ContainsAny(p, "?#%")) {
		return fmt.Errorf(`lambdahttp: Config.%s is %q: write it as "/v1", without a slash at the end`, name, p)
	}
	return nil
}

// Start serves a handler on Lambda: it is the whole of main. It answers events until Lambda ends the process, and does
// not return; outside of Lambda it ends the process with a message. It logs to slog.Default. To set a Config, use New
// and Function.Start.
func Start(h http.Handler) {
	f, err := New(h, Config{})
	if err != nil {
		panic(err)
	}
	f.Start()
}

// Start answers events of Lambda until the process ends. It does not return.
func (f *Function) Start() { lambda.Start(f) }

// Invoke answers one event. It needs no Lambda, so tests can call it. It implements lambda.Handler of aws-lambda-go.
//
// A malformed request is answered 400; a panic of the handler, or an answer too large for Lambda, 500. Invoke returns
// an error only for events other than HTTP requests (ErrNotHTTP), or from Config.Fallback.
func (f *Function) Invoke(ctx context.Context, event []byte) ([]byte, error) {
	var e wire
	// An event with a member of an unexpected type is of another source.
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

func (f *Function) serve(ctx context.Context, e *wire, k Format, event []byte) []byte {
	ctx, cancel := shorten(ctx)
	defer cancel()
	ev := newEvent(e, k, event)
	ctx = context.WithValue(ctx, eventKey{}, ev)
	if !f.allowLocal {
		ctx = oneprocess.Refuse(ctx)
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

// fits reports whether a load balancer with single-value headers can take these cookies, and logs a warning once.
func (f *Function) fits(ctx context.Context, w *writer) bool {
	n := w.cookies()
	if n > 1 {
		f.cookies.Do(func() {
			f.log.WarnContext(ctx, "lambdahttp: several cookies for a load balancer that takes one header of a name: turn on lambda.multi_value_headers.enabled of its target group")
		})
	}
	return n <= spellings
}

// call runs the handler and reports whether it returned. A panic ends one request, as in net/http.
func (f *Function) call(w http.ResponseWriter, r *http.Request, ev *Event) (returned bool) {
	defer func() {
		// A handler panics with http.ErrAbortHandler to send nothing more, and net/http does not log it.
		if v := recover(); v != nil && v != http.ErrAbortHandler {
			f.log.ErrorContext(r.Context(), "lambdahttp: panic in the handler", "panic", fmt.Sprint(v), "request_id", ev.RequestID, "stack", string(debug.Stack()))
		}
	}()
	f.handler.ServeHTTP(w, r)
	return true
}

// shorten ends the context of a request a little before Lambda ends the process (a twentieth of the time that is left,
// at most half a second), so that a handler that waits in vain for a database can still answer.
func shorten(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, deadline.Add(-min(time.Until(deadline)/20, 500*time.Millisecond)))
}

// refusal returns an answer of this package.
func refusal(shape form, method string, status int, code, description string) []byte {
	w := newWriter(shape.size())
	httperr.Write(w, status, code, description)
	w.finish()
	return w.answer(shape, method)
}
