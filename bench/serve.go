package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"

	golang "github.com/golang-jwt/jwt/v5"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/session"
)

var serverNames = [...]string{bare, "postern", "postern, cached", "golang-jwt"}

// serve is the child process of http: it says where it listens, then answers each line with the CPU time it has used.
func serve(in io.Reader, out io.Writer) error {
	lines, answers := json.NewDecoder(in), json.NewEncoder(out)
	var o order
	if err := lines.Decode(&o); err != nil {
		return err
	}
	h, err := o.handler()
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer l.Close()
	go http.Serve(l, h)
	if err := answers.Encode(l.Addr().String()); err != nil {
		return err
	}
	for {
		var question string
		if err := lines.Decode(&question); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		if err := answers.Encode(cpuTime()); err != nil {
			return err
		}
	}
}

func (o *order) key() (*keys.PublicKey, error) {
	if o.Secret != nil {
		k, err := keys.NewHMAC(kid, o.Secret)
		if err != nil {
			return nil, err
		}
		return k.Public(), nil
	}
	return keys.ParsePublicPEM([]byte(o.PEM), keys.Algorithm(o.Alg), kid)
}

func (o *order) handler() (http.Handler, error) {
	key, err := o.key()
	if err != nil {
		return nil, err
	}
	switch o.Impl {
	case bare:
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { answer(w, alice.UserID) }), nil
	case "postern":
		return posternHandler(key, -1)
	case "postern, cached":
		return posternHandler(key, 0)
	case "golang-jwt":
		if o.Secret != nil {
			return golangHandler(o.Alg, o.Secret), nil
		}
		return golangHandler(o.Alg, key.Public()), nil
	}
	return nil, fmt.Errorf("there is no server %q", o.Impl)
}

func posternHandler(key *keys.PublicKey, cache int) (http.Handler, error) {
	from, err := keys.Static(key)
	if err != nil {
		return nil, err
	}
	kind, err := kindOf(from, cache)
	if err != nil {
		return nil, err
	}
	return kind.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, _ := kind.From(r.Context())
		answer(w, s.Properties.UserID)
	}), session.Role(roles[0])), nil
}

// golangHandler is the middleware that one writes around golang-jwt.
func golangHandler(alg string, key any) http.Handler {
	type claims struct {
		golang.RegisteredClaims
		Claims
	}
	type contextKey struct{}
	parser := golang.NewParser(golang.WithValidMethods([]string{alg}), golang.WithIssuer(issuer), golang.WithAudience(audience), golang.WithExpirationRequired())
	next := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, _ := r.Context().Value(contextKey{}).(*claims)
		answer(w, c.Properties.UserID)
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		c := new(claims)
		if ok {
			_, err := parser.ParseWithClaims(token, c, func(*golang.Token) (any, error) { return key, nil })
			ok = err == nil && c.Roles[0] == roles[0]
		}
		if !ok {
			http.Error(w, "unauthorized", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), contextKey{}, c)))
	})
}

func answer(w http.ResponseWriter, text string) {
	w.Header().Set("Content-Type", "text/plain")
	_, _ = io.WriteString(w, text)
}
