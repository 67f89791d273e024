package password

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/posternauth/postern/internal/head"
	"github.com/posternauth/postern/internal/seal"
)

const (
	forBrowser = "password/browser"
	knownLife  = 180 * 24 * time.Hour
	maxKnown   = 5 // users of one browser
)

// A browser is the content of its sealed cookie: the users who have signed in with it by password. For these it has
// limits apart, and a locked password still works there.
type browser struct {
	ID    string      `json:"id"`
	Known []knownUser `json:"known"` // the latest last
}

// A knownUser ends with any change of the user's security, because Sec moves then.
type knownUser struct {
	User string `json:"u"` // see mark
	Sec  int64  `json:"s"`
	At   int64  `json:"at"` // Unix seconds
}

// mark stands for a user in a cookie.
func (k *keeper) mark(userID string) string {
	return head.Hash("password browser", k.pool, userID)[:22]
}

func (b *browser) knows(mark string, sec int64, now time.Time) bool {
	return b != nil && slices.ContainsFunc(b.Known, func(u knownUser) bool {
		return u.User == mark && u.Sec == sec && now.Before(time.Unix(u.At, 0).Add(knownLife))
	})
}

func (b *browser) learn(mark string, sec int64, now time.Time) {
	b.Known = slices.DeleteFunc(b.Known, func(u knownUser) bool { return u.User == mark })
	b.Known = append(b.Known, knownUser{mark, sec, now.Unix()})
	b.Known = b.Known[max(0, len(b.Known)-maxKnown):]
}

// secure follows the configured URL, never the request.
func (h *handler) secure() bool { return strings.HasPrefix(h.sessions.Issuer(), "https:") }

func (h *handler) browserCookie() string {
	name := "postern-browser-" + head.Hash(h.pool)[:8]
	if h.secure() {
		name = "__Host-" + name
	}
	return name
}

// browser reads the cookie; nil without a good one.
func (h *handler) browser(r *http.Request) (*browser, error) {
	name := h.browserCookie()
	found := r.CookiesNamed(name)
	if len(found) != 1 {
		return nil, nil
	}
	plain, err := seal.Open(r.Context(), h.sessions.Secrets(), forBrowser, found[0].Value, h.pool, name)
	if errors.Is(err, seal.ErrOpen) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	b := new(browser)
	if json.Unmarshal(plain, b) != nil || b.ID == "" {
		return nil, nil
	}
	return b, nil
}

// remember sets the cookie of a browser in which a user has just proved the password. Best effort: without it the
// browser counts as a stranger's.
func (h *handler) remember(ctx context.Context, w http.ResponseWriter, b *browser, userID string, sec int64) {
	if b == nil {
		b = &browser{ID: rand.Text()}
	}
	b.learn(h.mark(userID), sec, h.now())
	plain, err := json.Marshal(b)
	if err != nil {
		return
	}
	name := h.browserCookie()
	value, err := seal.Seal(ctx, h.sessions.Secrets(), forBrowser, plain, h.pool, name)
	if err != nil {
		return
	}
	http.SetCookie(w, &http.Cookie{
		Name: name, Value: value, Path: "/", MaxAge: int(knownLife / time.Second),
		HttpOnly: true, Secure: h.secure(), SameSite: http.SameSiteLaxMode,
	})
}
