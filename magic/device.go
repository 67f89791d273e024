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
	askedLife = 24 * time.Hour
	maxKnown  = 5 // addresses that are kept of each sort
)

// A browser is the content of its sealed cookie: an id, so that a new mail takes the place of its old one; the
// addresses it has signed in to, for which it has limits that strangers cannot use up; and those it has asked for
// today.
type browser struct {
	ID    string  `json:"id"`
	Known []entry `json:"known,omitempty"` // the latest last
	Asked []entry `json:"asked,omitempty"` // likewise
}

type entry struct {
	Address string `json:"address"` // hash
	At      int64  `json:"at"`      // Unix seconds
}

func (b *browser) knows(address string, now time.Time) bool {
	return within(b.Known, address, now, knownLife)
}

func (b *browser) learn(address string, now time.Time) { b.Known = with(b.Known, address, now) }

// asked reports whether the browser has asked for the address in the last 24 hours, and ask notes that it did.
func (b *browser) asked(address string, now time.Time) bool {
	return within(b.Asked, address, now, askedLife)
}

func (b *browser) ask(address string, now time.Time) { b.Asked = with(b.Asked, address, now) }

func within(list []entry, address string, now time.Time, life time.Duration) bool {
	return slices.ContainsFunc(list, func(e entry) bool {
		return e.Address == hash(address) && now.Before(time.Unix(e.At, 0).Add(life))
	})
}

func with(list []entry, address string, now time.Time) []entry {
	list = slices.DeleteFunc(slices.Clone(list), func(e entry) bool { return e.Address == hash(address) })
	list = append(list, entry{hash(address), now.Unix()})
	return list[max(0, len(list)-maxKnown):]
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

// browser reads the cookie. If anything is wrong with it, the browser counts as new, and has smaller limits.
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

// setBrowser sets the cookie: for a day, or longer if the browser has signed in.
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
	life := askedLife
	if len(b.Known) > 0 {
		life = knownLife
	}
	http.SetCookie(w, &http.Cookie{
		Name: name, Value: value, Path: "/", MaxAge: int(life / time.Second),
		HttpOnly: true, Secure: h.secure(), SameSite: http.SameSiteLaxMode,
	})
	return nil
}
