package passkey

import (
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/posternauth/postern/internal/loopback"
)

// checkDomain reports why a text can be no RP ID: a browser takes a domain, in lower case.
func checkDomain(id string) error {
	switch {
	case id == "" || len(id) > 253 || strings.Trim(id, "abcdefghijklmnopqrstuvwxyz0123456789.-") != "" || strings.Trim(id, ".-") != id:
		return errors.New("this is not a domain in lower case, without scheme and port")
	case net.ParseIP(id) != nil:
		return errors.New("it is an IP address: browsers make passkeys for domains; use localhost for development")
	}
	return nil
}

// checkOrigin reports why a text is no origin as a browser sends it.
func checkOrigin(o string) error {
	u, err := url.Parse(o)
	switch {
	case err != nil || u.Host == "" || u.Scheme+"://"+u.Host != o || strings.ToLower(o) != o || u.User != nil:
		return errors.New("this is not an origin, such as https://app.example.com")
	case u.Scheme == "https" && u.Port() == "443", u.Scheme == "http" && u.Port() == "80":
		return errors.New("leave out the usual port, as a browser does")
	case u.Scheme == "http" && loopback.Host(u.Hostname()):
		return nil
	case u.Scheme != "https":
		return errors.New("browsers use passkeys with https alone, and with http on localhost")
	}
	return nil
}

// covers reports whether a browser lets a page of an origin use passkeys of an RP ID without related origins.
func covers(id, origin string) bool {
	u, err := url.Parse(origin)
	return err == nil && (u.Hostname() == id || strings.HasSuffix(u.Hostname(), "."+id))
}

// WellKnown returns the documents that a browser and a password manager ask for on the host of the RP ID.
func (h *handler) WellKnown() map[string]http.Handler {
	docs := map[string]http.Handler{"/.well-known/passkey-endpoints": document(map[string]string{"enroll": h.flow.URL("enroll"), "manage": h.flow.URL("list")})}
	if len(h.party.origins) > 1 {
		docs["/.well-known/webauthn"] = document(map[string][]string{"origins": h.party.origins})
	}
	return docs
}

// document serves a value as JSON. It is the same for everybody.
func document(v any) http.Handler {
	body, _ := json.Marshal(v) // maps of texts always encode
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		head := w.Header()
		head.Set("Content-Type", "application/json")
		head.Set("Cache-Control", "public, max-age=3600")
		if r.Method == http.MethodGet {
			_, _ = w.Write(body)
		}
	})
}
