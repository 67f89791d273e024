package postern

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
	"github.com/posternauth/postern/internal/useragent"
	"github.com/posternauth/postern/store"
)

// A remembered browser stands in for a second factor: for thirty days, for one user, and until something about the
// security of the user changes. It never stands in at a step-up, and no token says that a factor was shown.
const (
	rememberLife  = 30 * 24 * time.Hour
	rememberMax   = 10 // browsers of a user; the oldest gives way
	rememberRow   = "dev:"
	forRemembered = "remembered browser"

	rememberCookies = 8 // that are looked at: each can cost a read of the store
)

// A rememberedRow is what the store keeps of a browser, in the part of its user.
type rememberedRow struct {
	Sec     int64     `json:"sec"`
	Created time.Time `json:"created"`
	Device  string    `json:"device,omitempty"`
	Address string    `json:"address,omitempty"`
}

// A rememberedCookie is sealed, so that a reader of the store cannot make one.
type rememberedCookie struct {
	User   string `json:"u"`
	Device string `json:"d"`
}

// RememberField is the field by which a person asks that this browser is remembered, for the form of a factor. Use it
// where [Waiting] says that the form may have it.
func (f *Flow) RememberField() Field {
	return Field{Name: "remember", Type: "checkbox", Value: "yes", Label: "Do not ask again in this browser for {life}", Args: map[string]any{"life": f.auth.rememberFor}}
}

// mayRemember reports whether a browser may be remembered after this factor. A recovery code is for a person who has
// lost something, so the next sign-in asks again.
func (a *Auth) mayRemember(wt *waiting, k factor) bool {
	need := wt.row.Need
	return a.rememberFor > 0 && wt.row.For == waitFactor && !need.NotRemembered && len(need.Of) == 0 && !k.info.Backup
}

func (a *Auth) rememberedName() string {
	name := "postern-remembered-" + head.Hash(a.session.pool)[:8]
	if a.secure {
		name = "__Host-" + name
	}
	return name
}

func (a *Auth) rememberedKey(userID, device string) store.Key {
	return store.Key{Part: a.partOfUser(userID), ID: rememberRow + head.Hash("remembered", device)}
}

// rememberedCookies returns what the cookies of a request say. There can be several: other hosts of a domain can add
// some, which do not open.
func (a *Auth) rememberedCookies(r *http.Request) (list []rememberedCookie, err error) {
	name := a.rememberedName()
	cookies := r.CookiesNamed(name)
	for _, c := range cookies[:min(len(cookies), rememberCookies)] {
		plain, err := seal.Open(r.Context(), a.sessions.Secrets(), forRemembered, c.Value, a.session.pool, name)
		if errors.Is(err, seal.ErrOpen) {
			continue
		}
		if err != nil {
			return nil, unavailable(err)
		}
		var k rememberedCookie
		if json.Unmarshal(plain, &k) == nil && k.Device != "" {
			list = append(list, k)
		}
	}
	return list, nil
}

// remembered reports whether the browser of a request is remembered for a user.
func (a *Auth) remembered(r *http.Request, userID string, h head.Head) (bool, error) {
	if a.rememberFor <= 0 {
		return false, nil
	}
	cookies, err := a.rememberedCookies(r)
	if err != nil {
		return false, err
	}
	for _, k := range cookies {
		if k.User != userID {
			continue
		}
		items, err := a.store.Get(r.Context(), a.rememberedKey(userID, k.Device))
		if err != nil {
			return false, unavailable(err)
		}
		var row rememberedRow
		if len(items) == 1 && json.Unmarshal(items[0].Value, &row) == nil && row.Sec == h.Sec && a.sessions.Now().Before(row.Created.Add(a.rememberFor)) {
			return true, nil
		}
	}
	return false, nil
}

// rememberBrowser remembers the browser of a request. Best effort: without it the next sign-in asks for the factor.
func (a *Auth) rememberBrowser(w http.ResponseWriter, r *http.Request, userID string, sec int64) {
	ctx, now := r.Context(), a.sessions.Now()
	k := rememberedCookie{userID, rand.Text()}
	row := rememberedRow{Sec: sec, Created: now.UTC(), Device: useragent.Device(r.UserAgent())}
	if addr := a.clients.Addr(r); addr.IsValid() {
		row.Address = addr.String()
	}
	value, err := json.Marshal(row)
	if err != nil {
		return
	}
	plain, err := json.Marshal(k)
	if err != nil {
		return
	}
	name := a.rememberedName()
	sealed, err := seal.Seal(ctx, a.sessions.Secrets(), forRemembered, plain, a.session.pool, name)
	if err != nil {
		return
	}
	changes := []store.Change{store.Put(store.Item{Key: a.rememberedKey(userID, k.Device), Value: value, Expires: now.Add(a.rememberFor)})}
	old, err := a.browsers(ctx, userID)
	if err != nil {
		return
	}
	for len(old) >= rememberMax {
		changes = append(changes, store.Delete(old[0].item.Key, old[0].item.Version))
		old = old[1:]
	}
	if err := a.store.Write(ctx, changes...); err != nil {
		a.log.WarnContext(ctx, "postern: a browser is not remembered", "cause", err)
		return
	}
	a.emitOf(ctx, Event{Name: "browser remembered", UserID: userID})
	http.SetCookie(w, &http.Cookie{Name: name, Value: sealed, Path: "/", MaxAge: int(a.rememberFor / time.Second), HttpOnly: true, Secure: a.secure, SameSite: http.SameSiteLaxMode})
}

// A rememberedBrowser is one of a user's.
type rememberedBrowser struct {
	rememberedRow
	item store.Item
}

// browsers returns the remembered browsers of a user, the oldest first.
func (a *Auth) browsers(ctx context.Context, userID string) (list []rememberedBrowser, err error) {
	part := a.partOfUser(userID)
	for after := rememberRow; ; {
		items, next, err := a.store.List(ctx, part, after, 100)
		if err != nil {
			return nil, unavailable(err)
		}
		for _, item := range items {
			if !strings.HasPrefix(item.Key.ID, rememberRow) {
				next = ""
				break
			}
			b := rememberedBrowser{item: item}
			if json.Unmarshal(item.Value, &b.rememberedRow) == nil {
				list = append(list, b)
			}
		}
		if next == "" {
			break
		}
		after = next
	}
	slices.SortFunc(list, func(x, y rememberedBrowser) int { return x.Created.Compare(y.Created) })
	return list, nil
}
