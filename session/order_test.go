package session_test

import (
	"testing"

	"github.com/posternauth/postern/session"
)

// A token whose exp is before its iat is refused, also if the leeway would let both pass.
func TestJ12_EndsBeforeItBegins(t *testing.T) {
	w := newWorld(t)
	now := w.Now().Unix()
	for name, c := range map[string]struct {
		issued, expires int64
		want            string
	}{
		"good":      {now - 5, now + 60, ""},
		"equal":     {now, now, "claims"},
		"backwards": {now + 10, now + 5, "claims"},
	} {
		claims := w.claims()
		claims["iat"], claims["exp"] = c.issued, c.expires
		_, err := w.user.Verify(t.Context(), w.sign(claims))
		if session.Reason(err) != c.want {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}
