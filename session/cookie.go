package session

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/posternauth/postern/internal/httperr"
)

// refreshSuffix is the end of the name of the refresh token's cookie, behind the name of the kind's cookie.
const refreshSuffix = "-refresh"

// maxCookie is the size that browsers accept for a cookie with its attributes (RFC 6265 section 6.1).
const maxCookie = 4096

// SetCookies sets the cookies of a session as [Kind.Cookie] does, for the tokens of [Kind.Merge], [Kind.Replace] and
// [Sessions.Refresh]. Use it only in answers to requests that came with the cookies, and whose origin a guard has
// checked.
func (k *Kind[T]) SetCookies(w http.ResponseWriter, t Tokens) { k.setCookies(w, t) }

// ClearCookies removes the cookies that [Kind.SetCookies] sets. It ends no session.
func (k *Kind[T]) ClearCookies(w http.ResponseWriter) { k.clearCookies(w) }

func (p *policy) setCookies(w http.ResponseWriter, t Tokens) {
	h := w.Header()
	httperr.NoStore(h)
	addCookie(h, p.accessCookie(t.Access))
	if t.Refresh != "" {
		addCookie(h, p.refreshCookie(t.Refresh, t.RefreshExpires.Sub(p.sessions.now())))
	}
}

// clearCookies removes the cookies that setCookies sets.
func (p *policy) clearCookies(w http.ResponseWriter) {
	h := w.Header()
	httperr.NoStore(h)
	addCookie(h, p.accessCookie(""))
	if !p.stateless {
		addCookie(h, p.refreshCookie("", 0))
	}
}

// addCookie sets a cookie, in the place of one of that name that this answer sets already. One request may refresh a
// session and then change or end it, and of two cookies of a name not every program keeps the last (RFC 6265 section
// 4.1.1).
func addCookie(h http.Header, cookie string) {
	name, _, _ := strings.Cut(cookie, "=")
	h["Set-Cookie"] = append(slices.DeleteFunc(h["Set-Cookie"], func(other string) bool {
		return strings.HasPrefix(other, name+"=")
	}), cookie)
}

func (p *policy) accessCookie(token string) string { return p.setCookie(p.cookie, token, p.access) }

func (p *policy) refreshCookie(token string, life time.Duration) string {
	return p.setCookie(p.cookie+refreshSuffix, token, life)
}

// setCookie returns the Set-Cookie of a token; without a token it removes the cookie. Both are made here, because a
// browser removes a cookie only if the attributes are the same.
func (p *policy) setCookie(name, token string, life time.Duration) string {
	maxAge := int64(life / time.Second)
	if token == "" {
		maxAge = 0
	}
	var b strings.Builder
	b.Grow(len(name) + len(token) + 80)
	b.WriteString(name)
	b.WriteByte('=')
	b.WriteString(token) // base64url and dots: nothing to quote
	b.WriteString("; Path=/; Max-Age=")
	b.WriteString(strconv.FormatInt(maxAge, 10))
	b.WriteString("; HttpOnly")
	if p.sessions.secure {
		b.WriteString("; Secure")
	}
	if p.sessions.crossSite {
		b.WriteString("; SameSite=None")
	} else {
		b.WriteString("; SameSite=Lax")
	}
	return b.String()
}
