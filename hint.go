package postern

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/posternauth/postern/internal/mailaddr"
	"github.com/posternauth/postern/internal/seal"
	"github.com/posternauth/postern/internal/shortcookie"
	"github.com/posternauth/postern/internal/text"
)

// What a person typed as their address goes to the next pages in a sealed cookie, and its name in the query: addresses
// would be in the logs of every proxy. Two tabs with two people do not disturb each other, and the end of a sign-in
// removes what was kept.
const (
	hintParam = "postern_hint"
	hintLife  = 10 * time.Minute
	maxHints  = 3       // of one browser at once
	maxHintsB = 2 << 10 // their bytes together
)

type hint struct {
	Name    string `json:"n"`
	Created int64  `json:"at"` // Unix milliseconds
}

func (a *Auth) hintPrefix() string { return shortcookie.Hints(a.issuer, a.secure) }

func (a *Auth) hintCookie(name string) *http.Cookie {
	return &http.Cookie{Name: name, Path: "/", HttpOnly: true, Secure: a.secure, SameSite: http.SameSiteLaxMode}
}

func (a *Auth) expiredHint(name string) *http.Cookie {
	k := a.hintCookie(name)
	k.MaxAge = -1
	return k
}

// keepHint gives what was typed to the browser, and returns the value of hintParam that stands for it.
func (a *Auth) keepHint(w http.ResponseWriter, r *http.Request, typed string) (id string, err error) {
	var random [9]byte
	if _, err := io.ReadFull(a.attempts.rand, random[:]); err != nil {
		return "", fmt.Errorf("postern: reading random bytes: %w", err)
	}
	id = base64.RawURLEncoding.EncodeToString(random[:])
	plain, err := json.Marshal(hint{typed, a.sessions.Now().UnixMilli()})
	if err != nil {
		return "", err
	}
	k := a.hintCookie(a.hintPrefix() + id)
	if k.Value, err = seal.Seal(r.Context(), a.sessions.Secrets(), "hint", plain, a.issuer, k.Name); err != nil {
		return "", fmt.Errorf("postern: sealing an address: %w", err)
	}
	k.MaxAge = int(hintLife / time.Second)
	var all []kept
	for _, other := range shortcookie.Named(r, a.hintPrefix()) {
		h, _ := a.openHint(r, other) // without a time it is the first to go
		all = append(all, kept{name: other.Name, bytes: len(other.Name) + len(other.Value), created: h.Created, gone: a.expiredHint(other.Name)})
	}
	makeRoom(w, all, len(k.Name)+len(k.Value), maxHints, maxHintsB)
	http.SetCookie(w, k)
	return id, nil
}

// openHint opens a cookie. A value that is not a hint is seal.ErrOpen; other errors are those of the secrets.
func (a *Auth) openHint(r *http.Request, k *http.Cookie) (h hint, err error) {
	plain, err := seal.Open(r.Context(), a.sessions.Secrets(), "hint", k.Value, a.issuer, k.Name)
	if err == nil && json.Unmarshal(plain, &h) != nil {
		err = seal.ErrOpen
	}
	return h, err
}

// typedBefore returns what the person typed on the page before; empty if the request names nothing, or this browser
// has it no more.
func (a *Auth) typedBefore(r *http.Request) (string, error) {
	id := r.Form.Get(hintParam)
	if !a.identifierFirst || len(id) != shortcookie.NameLength || !text.Base64URL(id) {
		return "", nil
	}
	for _, k := range r.CookiesNamed(a.hintPrefix() + id) {
		h, err := a.openHint(r, k)
		if err != nil && !errors.Is(err, seal.ErrOpen) {
			return "", unavailable(fmt.Errorf("postern: opening an address: %w", err))
		}
		if age := a.sessions.Now().Sub(time.UnixMilli(h.Created)); err == nil && age >= -attemptSkew && age < hintLife {
			return h.Name, nil
		}
	}
	return "", nil
}

// dropHints removes what was typed in this browser. The next sign-in may be that of somebody else.
func (a *Auth) dropHints(w http.ResponseWriter, r *http.Request) {
	gone := map[string]bool{}
	for _, k := range shortcookie.Named(r, a.hintPrefix()) {
		if len(gone) < maxExpired && !gone[k.Name] {
			gone[k.Name] = true
			http.SetCookie(w, a.expiredHint(k.Name))
		}
	}
}

// loginHint is Flow.LoginHint.
func (a *Auth) loginHint(r *http.Request) string {
	if x := exchangeOf(r); x != nil && x.purpose != "" { // the person is known
		return ""
	}
	if typed, err := a.typedBefore(r); err == nil && typed != "" { // without the secrets the field stays empty
		return typed
	}
	asked := r.Form.Get("login_hint")
	if strings.Contains(asked, "@") {
		if _, err := mailaddr.ParseTyped(asked); err != nil {
			return ""
		}
		return asked
	}
	if name, ok := text.Username(asked); ok && (a.usernames || a.typedNames) {
		return name
	}
	return ""
}

// LoginHint returns by what the person is expected to sign in: what they typed on the page before, with
// Config.IdentifierFirst, or else the parameter login_hint of the authorize request (OpenID Connect Core section
// 3.1.2.1). It is an address of at most 254 bytes or, with Config.Usernames, a username; empty if there is none, and in
// a step-up. Anybody can write a login_hint into a link, so it proves nothing: it is for prefilling a field.
func (f *Flow) LoginHint(r *http.Request) string { return f.auth.loginHint(r) }
