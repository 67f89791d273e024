package telemetry

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/posternauth/postern/internal/routes"
)

// Routes returns the function for Config.Route that finds the templates of the routes of a handler of Postern, such as
// that of postern.Auth. issuer is that of session.Config. Routes asks the handler for its OpenAPI document, which it
// serves with postern.Config.Session; without one it takes the routes that every handler has.
func Routes(ctx context.Context, issuer string, h http.Handler) (func(r *http.Request) string, error) {
	u, err := url.Parse(issuer)
	if err != nil {
		return nil, fmt.Errorf("telemetry: the issuer: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, issuer+"/openapi.json", nil)
	if err != nil {
		return nil, fmt.Errorf("telemetry: the issuer: %w", err)
	}
	r.Body = http.NoBody // as a server has it
	r.RemoteAddr, r.RequestURI = "127.0.0.1:1", r.URL.RequestURI()
	document := &documentWriter{header: http.Header{}}
	h.ServeHTTP(document, r)
	text := document.body.Bytes()
	switch document.status {
	case 0, http.StatusOK:
	case http.StatusNotFound:
		if text, err = always(); err != nil {
			return nil, err
		}
	default:
		return nil, fmt.Errorf("telemetry: the handler answers %d to GET %s/openapi.json", document.status, issuer)
	}
	found, err := routes.New(u.EscapedPath(), text)
	if err != nil {
		return nil, fmt.Errorf("telemetry: %w", err)
	}
	return func(r *http.Request) string { return found.Of(r.URL.EscapedPath()) }, nil
}

// always returns a document of the routes of a handler without postern.Config.Session.
func always() ([]byte, error) {
	paths := map[string]struct{}{}
	for _, path := range []string{
		"/", "/authorize", "/continue", "/language", "/assets/{file}", "/{provider}/authorize", "/{provider}/callback", "/{provider}/sign-up",
		"/{provider}/forgot", "/{provider}/reset", "/{provider}/change", "/{provider}/verify", "/token", "/refresh", "/revoke", "/signout",
		"/signout/everywhere", "/session", "/sessions", "/sessions/{id}", "/.well-known/jwks.json", "/.well-known/openid-configuration",
		"/.well-known/oauth-authorization-server",
	} {
		paths[path] = struct{}{}
	}
	return json.Marshal(map[string]any{"paths": paths})
}

// A documentWriter keeps an answer in memory.
type documentWriter struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (w *documentWriter) Header() http.Header         { return w.header }
func (w *documentWriter) WriteHeader(status int)      { w.status = status }
func (w *documentWriter) Write(p []byte) (int, error) { return w.body.Write(p) }

// Handler returns a handler that makes a span of each request to next and measures it. Names and attributes follow the
// semantic conventions of OpenTelemetry for HTTP servers; the path, the query and the address of the client are left
// out.
func (t *Telemetry) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, begun := r.Context(), time.Now()
		if t.c.Propagator != nil {
			ctx = t.c.Propagator.Extract(ctx, propagation.HeaderCarrier(r.Header))
		}
		method, route := methodOf(r.Method), t.c.Route(r)
		common := []attribute.KeyValue{attribute.String("http.request.method", method), attribute.String("http.route", route)}
		ctx, span := t.tracer.Start(ctx, method+" "+route, trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(common...))
		s := &statusWriter{ResponseWriter: w}
		ended := false
		defer func() {
			status := s.status
			switch {
			case !ended: // it panicked: the server closes the connection, or a handler around this one answers
				status = http.StatusInternalServerError
			case status == 0:
				status = http.StatusOK
			}
			code := attribute.Int("http.response.status_code", status)
			span.SetAttributes(code)
			if status >= 500 {
				span.SetStatus(codes.Error, "")
			}
			span.End()
			t.requests.Record(ctx, time.Since(begun).Seconds(), metric.WithAttributes(append(common, code)...))
		}()
		next.ServeHTTP(s, r.WithContext(ctx))
		ended = true
	})
}

// methodOf returns the method, or _OTHER for one that HTTP does not define.
func methodOf(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodConnect,
		http.MethodOptions, http.MethodTrace:
		return method
	}
	return "_OTHER"
}

// A statusWriter remembers the status.
type statusWriter struct {
	http.ResponseWriter
	status int
}

// WriteHeader remembers the status. An informational one (1xx) is not the answer.
func (w *statusWriter) WriteHeader(status int) {
	if w.status == 0 && status >= 200 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write is an answer of 200 without WriteHeader.
func (w *statusWriter) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(p)
}

// Unwrap is for http.ResponseController.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
