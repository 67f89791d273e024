package postern

import (
	"net/http"
	"slices"
	"strings"

	"github.com/posternauth/postern/internal/shortcookie"
)

// The page that lists the providers marks the one that this browser used last. The cookie holds the name of the
// provider and nothing about a person, and another browser of the same person knows nothing of it.
const (
	lastUsedLife = 365 * 24 * 60 * 60 // seconds
	textLastUsed = "Last used"
)

// noteUse has the browser remember the provider of a finished sign-in, and forget what was typed for it. A sign-in
// through a child of a provider is one of the provider.
func (a *Auth) noteUse(w http.ResponseWriter, r *http.Request, provider string) {
	a.dropHints(w, r)
	provider, _, _ = strings.Cut(provider, "/")
	if len(a.names) < 2 || !slices.Contains(a.names, provider) { // there is nothing to mark
		return
	}
	k := a.lastCookie()
	k.Value, k.MaxAge = provider, lastUsedLife
	http.SetCookie(w, k)
}

// dropUse takes the cookies of noteUse out of an answer: the sign-in has failed after all.
func (a *Auth) dropUse(w http.ResponseWriter) {
	h, name, hints := w.Header(), a.lastCookie().Name, a.hintPrefix()
	h["Set-Cookie"] = slices.DeleteFunc(h["Set-Cookie"], func(line string) bool {
		return strings.HasPrefix(line, name+"=") || strings.HasPrefix(line, hints)
	})
	if len(h["Set-Cookie"]) == 0 {
		h.Del("Set-Cookie")
	}
}

func (a *Auth) lastCookie() *http.Cookie {
	return &http.Cookie{Name: shortcookie.LastUsed(a.issuer, a.secure), Path: "/", HttpOnly: true, Secure: a.secure, SameSite: http.SameSiteLaxMode}
}

// lastUsed returns the provider that this browser used last, if there is one of that name.
func (a *Auth) lastUsed(r *http.Request) string {
	if cookies := r.CookiesNamed(a.lastCookie().Name); len(cookies) == 1 && slices.Contains(a.names, cookies[0].Value) {
		return cookies[0].Value
	}
	return ""
}
