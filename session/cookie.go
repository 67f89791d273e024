package session

import (
	"strconv"
	"strings"
	"time"
)

// setCookie is the Set-Cookie of a token of the kind; one without a token removes the cookie. Both are made here, because
// a browser only removes what is named with the same attributes.
func (s *Sessions) setCookie(p *policy, token string) string {
	maxAge := int64(p.access / time.Second)
	if token == "" {
		maxAge = 0
	}
	var b strings.Builder
	b.Grow(len(p.cookie) + len(token) + 80)
	b.WriteString(p.cookie)
	b.WriteByte('=')
	b.WriteString(token) // base64url and dots: nothing to quote
	b.WriteString("; Path=/; Max-Age=")
	b.WriteString(strconv.FormatInt(maxAge, 10))
	b.WriteString("; HttpOnly")
	if s.secure {
		b.WriteString("; Secure")
	}
	if s.crossSite {
		b.WriteString("; SameSite=None")
	} else {
		b.WriteString("; SameSite=Lax")
	}
	return b.String()
}
