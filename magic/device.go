package magic

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/posternauth/postern/internal/seal"
)

const (
	knownLife = 180 * 24 * time.Hour
	maxKnown  = 5 // addresses a browser is known for
)

// A browser is what its cookie says of it, sealed: an id, so that a new mail takes the place of its old one, and the
// addresses it has signed in to, which have limits of their own there.
type browser struct {
	ID    string  `json:"id"`
	Known []known `json:"known,omitempty"` // the latest last
}

type known struct {
	Address string `json:"address"` // hash
	At      int64  `json:"at"`      // Unix seconds
}

func (b *browser) knows(address string, now time.Time) bool {
	return slices.ContainsFunc(b.Known, func(k known) bool {
		return k.Address == hash(address) && now.Before(time.Unix(k.At, 0).Add(knownLife))
	})
}

func (b *browser) learn(address string, now time.Time) {
	b.Known = slices.DeleteFunc(b.Known, func(k known) bool { return k.Address == hash(address) })
	b.Known = append(b.Known, known{hash(address), now.Unix()})
	if over := len(b.Known) - maxKnown; over > 0 {
		b.Known = b.Known[over:]
	}
}

// secure follows the configured URL, never the request.
func (h *handler) secure() bool { return strings.HasPrefix(h.flow.Sessions().Issuer(), "https:") }

// deviceCookie is one for all providers of the issuer.
func (h *handler) deviceCookie() string {
	sum := sha256.Sum256([]byte(h.flow.Sessions().Issuer()))
	name := "postern-device-" + hex.EncodeToString(sum[:4])
	if h.secure() {
		name = "__Host-" + name
	}
	return name
}

// browser reads the cookie. Whatever is wrong with it, the browser is a new one: it costs nothing but a smaller limit.
func (h *handler) browser(ctx context.Context, r *http.Request) (browser, error) {
	name := h.deviceCookie()
	if found := r.CookiesNamed(name); len(found) == 1 {
		plain, err := seal.Open(ctx, h.flow.Sessions().Secrets(), forDevice, found[0].Value, h.flow.Sessions().Issuer(), name)
		if err != nil && !errors.Is(err, seal.ErrOpen) {
			return browser{}, err
		}
		var b browser
		if err == nil && json.Unmarshal(plain, &b) == nil && b.ID != "" {
			return b, nil
		}
	}
	return browser{ID: rand.Text()}, nil
}

// setBrowser keeps a browser that knows nobody only as long as its mail lives.
func (h *handler) setBrowser(ctx context.Context, w http.ResponseWriter, b browser) error {
	plain, err := json.Marshal(b)
	if err != nil {
		return err
	}
	name := h.deviceCookie()
	value, err := seal.Seal(ctx, h.flow.Sessions().Secrets(), forDevice, plain, h.flow.Sessions().Issuer(), name)
	if err != nil {
		return err
	}
	life := h.config.Life
	if len(b.Known) > 0 {
		life = knownLife
	}
	http.SetCookie(w, &http.Cookie{
		Name: name, Value: value, Path: "/", MaxAge: int(life / time.Second),
		HttpOnly: true, Secure: h.secure(), SameSite: http.SameSiteLaxMode,
	})
	return nil
}
