package session

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/posternauth/postern/internal/httperr"
)

// refreshSuffix is what the cookie of the refresh token has behind the name of the kind's.
const refreshSuffix = "-refresh"

// SetCookies hands tokens to the browser as [Kind.Cookie] does: for those of [Kind.Merge], [Kind.Replace] and
// [Sessions.Refresh]. Only for answers to requests that came with the cookies, whose origin a guard has checked.
func (k *Kind[T]) SetCookies(w http.ResponseWriter, t Tokens) { k.setCookies(w, t) }

func (p *policy) setCookies(w http.ResponseWriter, t Tokens) {
	h := w.Header()
	httperr.NoStore(h)
	addCookie(h, p.accessCookie(t.Access))
	if t.Refresh != "" {
		addCookie(h, p.refreshCookie(t.Refresh, t.RefreshExpires.Sub(p.sessions.now())))
	}
}

// clearCookies removes what setCookies sets.
func (p *policy) clearCookies(w http.ResponseWriter) {
	h := w.Header()
	httperr.NoStore(h)
	addCookie(h, p.accessCookie(""))
	if !p.stateless {
		addCookie(h, p.refreshCookie("", 0))
	}
}

// addCookie sets a cookie in the place of one of that name which this answer sets already: a session may be refreshed
// and then changed or ended by one request, and of two cookies of a name not everybody on the way keeps the last (RFC
// 6265 section 4.1.1).
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

// setCookie is the Set-Cookie of a token; one without a token removes the cookie. Both are made here, because a browser
// only removes what is named with the same attributes.
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
