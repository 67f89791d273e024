package run

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/posternauth/postern/internal/clientip"
)

const (
	maxPath   = 256 // bytes of a path in the access log
	maxMethod = 16  // bytes of a method there
	maxID     = 64  // bytes of a request id that a proxy sends
)

// ServeHTTP answers a request of the public listener with the house that serves now. It writes a line of the access
// log, counts the request, and turns a panic into a 500.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g := s.generations.enter()
	defer g.requests.Done()
	begun := s.now()
	end := s.metrics.Begin()
	id := s.requestID(g, r)
	r = r.WithContext(context.WithValue(r.Context(), idKey{}, id))
	w.Header().Set("X-Request-Id", id)
	route := g.routes.Of(r.URL.Path)
	answer := &recorded{ResponseWriter: w}
	defer func() {
		fault := recover()
		if fault != nil && fault != http.ErrAbortHandler {
			s.metrics.Panicked()
			s.log.ErrorContext(r.Context(), "postern: panic", "panic", fault, "stack", string(debug.Stack()))
			if answer.status == 0 {
				w.Header().Set("Cache-Control", "no-store")
				http.Error(answer, "Something went wrong. Please try again.", http.StatusInternalServerError)
				fault = nil
			}
		}
		status := answer.status
		if status == 0 {
			status = http.StatusOK // net/http writes it for a handler that wrote nothing
		}
		end(route, status)
		s.access(r, g, route, status, answer.bytes, s.now().Sub(begun))
		if fault != nil {
			panic(http.ErrAbortHandler) // too late for an answer: cut it off
		}
	}()
	g.handler.ServeHTTP(answer, r)
}

// access writes the line of a request. The query never gets there: it has codes, states and tokens.
func (s *server) access(r *http.Request, g *generation, route string, status int, bytes int64, took time.Duration) {
	client := ""
	if addr := g.clients().Addr(r); addr.IsValid() {
		client = addr.String()
	}
	s.log.LogAttrs(r.Context(), slog.LevelInfo, "postern: answered",
		slog.String("method", cut(r.Method, maxMethod)), slog.String("path", cut(r.URL.EscapedPath(), maxPath)),
		slog.String("route", route), slog.Int("status", status), slog.Int64("bytes", bytes),
		slog.Int64("microseconds", took.Microseconds()), slog.String("client", client))
}

func (g *generation) clients() clientip.Resolver {
	return clientip.Resolver{Trusted: g.plan.TrustedProxies, Header: g.plan.ClientIPHeader}
}

// requestID returns the X-Request-Id of a trusted proxy, if it has a plain form, or a new one.
func (s *server) requestID(g *generation, r *http.Request) string {
	if lines := r.Header["X-Request-Id"]; len(lines) == 1 && plainID(lines[0]) && g.clients().FromProxy(r) {
		return lines[0]
	}
	return rand.Text()
}

func plainID(id string) bool {
	if id == "" || len(id) > maxID {
		return false
	}
	return strings.IndexFunc(id, func(c rune) bool {
		return c != '-' && c != '_' && c != '.' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z')
	}) < 0
}

func cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}

// recorded remembers the status and the size of an answer.
type recorded struct {
	http.ResponseWriter
	status int
	bytes  int64
}

func (a *recorded) WriteHeader(status int) {
	if a.status == 0 && (status >= 200 || status == http.StatusSwitchingProtocols) {
		a.status = status
	}
	a.ResponseWriter.WriteHeader(status)
}

func (a *recorded) Write(p []byte) (int, error) {
	if a.status == 0 {
		a.status = http.StatusOK
	}
	n, err := a.ResponseWriter.Write(p)
	a.bytes += int64(n)
	return n, err
}

// Unwrap is for http.ResponseController.
func (a *recorded) Unwrap() http.ResponseWriter { return a.ResponseWriter }
