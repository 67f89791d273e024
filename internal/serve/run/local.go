package run

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/pprof"
	"strings"
	"time"

	"github.com/posternauth/postern/internal/loopback"
	"github.com/posternauth/postern/internal/serve/listen"
)

// readyTimeout is how long readiness waits for the store.
const readyTimeout = 2 * time.Second

// local returns the handler of the local listener. Browsers of this machine may be made to call it by a name of the
// internet that points here (DNS rebinding), so a listener of this machine answers no other name than its own. A page
// elsewhere could read nothing under such a name, and yet have profiles made: nothing is answered to it.
func (s *server) local(listener net.Listener, profiles bool) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { health(w, http.StatusOK, "ok", "") })
	mux.HandleFunc("GET /readyz", s.serveReady)
	mux.Handle("GET /metrics", s.metrics.Handler())
	if profiles {
		mux.HandleFunc("GET /debug/pprof/", pprof.Index)
		mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	}
	if _, tcp := listener.Addr().(*net.TCPAddr); !tcp || !listen.Local(listener) {
		return mux
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if h, _, err := net.SplitHostPort(host); err == nil {
			host = h
		}
		if !loopback.Host(strings.Trim(host, "[]")) {
			http.Error(w, "This listener answers to localhost and to addresses of this machine.", http.StatusMisdirectedRequest)
			return
		}
		if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "none" && site != "same-origin" {
			http.Error(w, "This listener answers no page of another origin. Type its address.", http.StatusForbidden)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// serveReady answers 200 if the house can sign people in now, and 503 with the reason if it cannot or is about to stop.
func (s *server) serveReady(w http.ResponseWriter, r *http.Request) {
	if s.draining.Load() {
		health(w, http.StatusServiceUnavailable, "stopping", "the server got a signal to stop")
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
	defer cancel()
	if err := s.ready(ctx); err != nil {
		health(w, http.StatusServiceUnavailable, "unavailable", err.Error())
		return
	}
	health(w, http.StatusOK, "ready", "")
}

func (s *server) ready(ctx context.Context) error {
	g := s.generations.enter()
	defer g.requests.Done()
	return g.house.Ready(ctx)
}

func health(w http.ResponseWriter, status int, state, reason string) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(struct { // the client has gone if this fails
		Status string `json:"status"`
		Reason string `json:"reason,omitempty"`
	}{state, reason})
}
