package session_test

import (
	"errors"
	"testing"

	"github.com/posternauth/postern/session"
)

// A token that ends before it begins is none of ours, also where the leeway would let both pass.
func TestJ12_EndsBeforeItBegins(t *testing.T) {
	w := newWorld(t)
	now := w.clock().Unix()
	for name, c := range map[string]struct {
		issued, expires int64
		want            error
	}{
		"good":      {now - 5, now + 60, nil},
		"equal":     {now, now, session.ErrClaims},
		"backwards": {now + 10, now + 5, session.ErrClaims},
	} {
		claims := w.claims()
		claims["iat"], claims["exp"] = c.issued, c.expires
		_, err := w.user.Verify(t.Context(), w.sign(claims))
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}
