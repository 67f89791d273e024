package session

import (
	"net/http"
	"strings"

	"github.com/posternauth/postern/internal/httperr"
)

const (
	pathJWKS   = "/.well-known/jwks.json"
	pathOpenID = "/.well-known/openid-configuration"
	pathOAuth  = "/.well-known/oauth-authorization-server"

	pathSessions = "/sessions"
)

// Handler serves the routes of an issuer, below the path of the issuer:
//
//	POST {base}/token                                    redeems codes and refresh tokens (RFC 6749, RFC 7636)
//	POST {base}/refresh                                  renews the cookies of this browser
//	POST {base}/revoke                                   ends the session of a token (RFC 7009)
//	POST {base}/signout                                  ends the session of this browser and clears its cookies
//	POST {base}/signout/everywhere                       ends all sessions of the person, of the kinds it carries
//	GET  {base}/session                                  the session of the request, as JSON
//	GET  {base}/sessions                                 a person's own sessions, as JSON
//	DELETE {base}/sessions/{id}                          ends one of them
//	DELETE {base}/sessions                               ends all but the one that asks
//	GET  {base}/.well-known/jwks.json                    the public keys (RFC 7517)
//	GET  {base}/.well-known/openid-configuration         where all this is (OpenID Connect Discovery)
//	GET  {base}/.well-known/oauth-authorization-server   the same, and at the place RFC 8414 has for it,
//	GET  /.well-known/oauth-authorization-server{base}
//
// Package postern mounts it among its own routes; without postern, mount it on all of these paths.
func (s *Sessions) Handler() http.Handler {
	base := s.base.Path
	token := s.CORS(only(http.MethodPost, s.serveToken))
	revoke := s.CORS(only(http.MethodPost, s.serveRevoke))
	signOut := s.CORS(only(http.MethodPost, s.serveSignOut))
	everywhere := s.CORS(only(http.MethodPost, s.serveSignOutEverywhere))
	refresh := s.CORS(only(http.MethodPost, s.serveRefresh))
	own := s.CORS(http.HandlerFunc(s.serveOwn))
	current := s.CORS(only(http.MethodGet, s.serveCurrent))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		httperr.Harden(w.Header(), s.secure)
		s.warnOfProxy(r)
		path := r.URL.Path
		if path == pathOAuth+base {
			s.serveMetadata(w, r)
			return
		}
		step, below := strings.CutPrefix(path, base)
		switch {
		case !below:
			notFound(w)
		case step == "/token":
			token.ServeHTTP(w, r)
		case step == "/revoke":
			revoke.ServeHTTP(w, r)
		case step == "/signout":
			signOut.ServeHTTP(w, r)
		case step == "/signout/everywhere":
			everywhere.ServeHTTP(w, r)
		case step == "/refresh":
			refresh.ServeHTTP(w, r)
		case step == "/session":
			current.ServeHTTP(w, r)
		case step == pathSessions || strings.HasPrefix(step, pathSessions+"/"):
			own.ServeHTTP(w, r)
		case step == pathJWKS:
			s.serveJWKS(w, r)
		case step == pathOpenID || step == pathOAuth:
			s.serveMetadata(w, r)
		default:
			notFound(w)
		}
	})
}

// only lets one method through.
func only(method string, next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != method {
			httperr.Method(w, method)
			return
		}
		next(w, r)
	})
}

func notFound(w http.ResponseWriter) {
	httperr.Write(w, http.StatusNotFound, "not_found", "there is nothing here")
}
