package postern

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/posternauth/postern/internal/head"
	"github.com/posternauth/postern/internal/limit"
	"github.com/posternauth/postern/store"
)

// factorJSON is one factor that the handler offers. Count is how many of it the person has; of passkeys, only whether
// one is asked for each time.
type factorJSON struct {
	Name   string `json:"name"`
	Label  string `json:"label"`
	Count  int    `json:"count"`
	Backup bool   `json:"backup"`           // it answers where another factor is due, and makes none due
	Enroll string `json:"enroll,omitempty"` // where the person begins to have it
	Manage string `json:"manage,omitempty"` // where the person sees and changes it
}

// A browserJSON is a remembered browser.
type browserJSON struct {
	ID      string    `json:"id"`
	Current bool      `json:"current"`
	Device  string    `json:"device,omitempty"`
	Address string    `json:"address,omitempty"`
	Created time.Time `json:"created_at"`
	Expires time.Time `json:"expires_at"`
}

func (a *Auth) factorsOf(h head.Head) []factorJSON {
	out := []factorJSON{}
	for _, k := range a.factors {
		f := factorJSON{Name: k.name, Label: k.label, Count: h.Factors[k.name], Backup: k.info.Backup}
		if k.info.Backup {
			f.Count = h.Backups[k.name]
		}
		if !k.info.NoEnroll {
			f.Enroll = a.stepOf(k, "enroll", "")
		}
		if m, ok := a.flows[k.flow].handler.(Manager); ok {
			f.Manage = a.stepOf(k, m.Manage(), "")
		}
		out = append(out, f)
	}
	return out
}

// listBrowsers lists the browsers that stand in for the second factor of the person.
func (a *Auth) listBrowsers(w http.ResponseWriter, r *http.Request, _ string) error {
	l, h, err := a.owner(w, r)
	if err != nil {
		return err
	}
	list, err := a.browsersOf(r, l.subject, h)
	if err != nil {
		return err
	}
	return answerJSON(w, http.StatusOK, struct {
		Browsers []browserJSON `json:"browsers"`
	}{list})
}

// browsersOf lists the remembered browsers of the person of a request.
func (a *Auth) browsersOf(r *http.Request, userID string, h head.Head) ([]browserJSON, error) {
	all, err := a.browsers(r.Context(), userID)
	if err != nil {
		return nil, err
	}
	cookies, err := a.rememberedCookies(r)
	if err != nil {
		return nil, err
	}
	mine := map[store.Key]bool{}
	for _, k := range cookies {
		if k.User == userID {
			mine[a.rememberedKey(userID, k.Device)] = true
		}
	}
	out := []browserJSON{}
	for _, b := range all {
		until := b.Created.Add(a.rememberFor)
		if b.Sec != h.Sec || !a.sessions.Now().Before(until) { // forgotten, and not swept yet
			continue
		}
		out = append(out, browserJSON{strings.TrimPrefix(b.item.Key.ID, rememberRow), mine[b.item.Key], b.Device, b.Address, b.Created.UTC(), until.UTC()})
	}
	return out, nil
}

// forgetBrowsers forgets one browser, or all of them if id is empty. It asks for no fresh proof: the person is asked
// for more from then on, not for less.
func (a *Auth) forgetBrowsers(w http.ResponseWriter, r *http.Request, id string) error {
	l, _, err := a.owner(w, r)
	if err != nil {
		return err
	}
	all, err := a.browsers(r.Context(), l.subject)
	if err != nil {
		return err
	}
	var changes []store.Change
	for _, b := range all {
		if id == "" || b.item.Key.ID == rememberRow+id {
			changes = append(changes, store.Delete(b.item.Key, b.item.Version))
		}
	}
	switch {
	case len(changes) == 0 && id != "":
		return errNotFound()
	case len(changes) > 0:
		if err := a.store.Write(r.Context(), changes...); errors.Is(err, store.ErrConflict) {
			return errAtOnce()
		} else if err != nil {
			return unavailable(err)
		}
		a.emitOf(r.Context(), Event{Name: "browser forgotten", UserID: l.subject})
	}
	return nil
}

// factorChanges bounds the changes of the factors of a user, and so the mails about them: one person must not use up
// the mails that the program may send. Changes that fail do not count, nor do removals: they are as many as additions.
var factorChanges = limit.Rule{Name: "factor changes", Every: time.Hour, Burst: 40}

// mayTake reports whether a take would be counted now, and counts none.
func (a *Auth) mayTake(ctx context.Context, b limit.Bucket) error {
	state, err := limit.Read(ctx, a.store, b)
	if err == nil {
		_, err = state.Take(a.sessions.Now())
	}
	switch {
	case errors.Is(err, limit.ErrLimited):
		return refusal(err)
	case err != nil:
		return unavailable(err)
	}
	return nil
}
