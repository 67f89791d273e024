package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime/debug"
	"strings"

	"github.com/posternauth/postern/internal/loopback"
)

// onlyLocalhost refuses requests under another name than this machine's own: a page on the internet whose name is made
// to point here (DNS rebinding) must not read the inbox, or call a function. Paths for which redirect is true are
// redirected from the address to the name localhost, since browsers keep the cookies of the two apart.
func onlyLocalhost(next http.Handler, url string, redirect func(path string) bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if h, _, err := net.SplitHostPort(host); err == nil {
			host = h
		}
		host = strings.Trim(host, "[]")
		switch {
		case strings.EqualFold(host, "localhost"):
			next.ServeHTTP(w, r)
		case loopback.Host(host):
			if redirect(r.URL.Path) {
				http.Redirect(w, r, url+r.URL.RequestURI(), http.StatusTemporaryRedirect)
				return
			}
			next.ServeHTTP(w, r)
		default:
			errorPage(w, http.StatusMisdirectedRequest, "Wrong address", "This server is for this machine only. Open "+url+" instead.")
		}
	})
}

// needsCookie reports whether a path of dev is for browsers; the rest is for programs, which do not all follow
// redirects.
func needsCookie(path string) bool {
	switch {
	case path == "/auth", path == "/auth/", path == "/auth/token", strings.HasPrefix(path, "/auth/.well-known/"):
		return false
	}
	return path == "/" || strings.HasPrefix(path, "/auth/") || strings.HasPrefix(path, "/idp/") && strings.HasSuffix(path, "/authorize")
}

func noRedirect(string) bool { return false }

// recoverPanics answers a panic with a page, and shows it in the terminal.
func recoverPanics(next http.Handler, errs io.Writer) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := &begun{ResponseWriter: w}
		defer func() {
			fault := recover()
			switch {
			case fault == nil:
				return
			case fault == http.ErrAbortHandler:
				panic(fault)
			}
			fmt.Fprintf(errs, "postern: panic: %v\n%s", fault, debug.Stack())
			if answer.yes {
				panic(http.ErrAbortHandler) // too late for a page; cut the answer off
			}
			errorPage(w, http.StatusInternalServerError, "Something went wrong", "The terminal says more.")
		}()
		next.ServeHTTP(answer, r)
	})
}

// begun knows whether an answer has begun.
type begun struct {
	http.ResponseWriter
	yes bool
}

func (b *begun) WriteHeader(status int) {
	b.yes = true
	b.ResponseWriter.WriteHeader(status)
}

func (b *begun) Write(p []byte) (int, error) {
	b.yes = true
	return b.ResponseWriter.Write(p)
}

func (b *begun) Unwrap() http.ResponseWriter { return b.ResponseWriter }
