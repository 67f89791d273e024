package postern

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/posternauth/postern/internal/limit"
	"github.com/posternauth/postern/internal/seal"
	"github.com/posternauth/postern/internal/shortcookie"
	"github.com/posternauth/postern/store"
)

// The answer of a form_post provider takes two steps.
//
//  1. The POST comes from another site, so the browser sends no cookie of SameSite=Lax with it. But the session before,
//     which the sign-in ends, has such cookies. So the form is sealed and put aside in the store, and the answer is a
//     redirect to a GET of the same callback.
//  2. The GET comes with all cookies, and the provider's handler gets the form that was put aside.
//
// The URL of the second step holds a hash of the state and nothing else. Without the attempt's cookie it opens nothing.

// formPost serves both steps of a form_post attempt. It answers the POST itself and returns done. For the GET it sets
// the form of r. Of other callbacks it changes nothing.
func (a *Auth) formPost(w http.ResponseWriter, r *http.Request, flow string) (done bool, err error) {
	second := r.Method != http.MethodPost
	var t *attempt
	switch {
	case !second:
		t, err = a.attempts.find(r, flow)
		if t == nil || !t.FormPost {
			return false, nil // the handler finds out what is wrong
		}
	case !r.Form.Has(postedParam) || r.Form.Has("state"):
		return false, nil
	default:
		place := r.Form.Get(postedParam)
		if t, err = a.attempts.findPosted(r, flow, place); t == nil {
			return false, a.again(r, flow, place, err)
		}
	}
	if x := exchangeOf(r); x != nil {
		x.again = t.ret()
	}
	if err != nil { // too old
		a.attempts.clear(w, t)
		return false, err
	}
	if second {
		return false, a.takePosted(r, t)
	}
	return true, a.keepPosted(w, r, t)
}

const (
	postedParam = "posted" // names the place of the attempt in the address of the second step
	maxPosted   = 4 << 10  // bytes of a form; Apple sends a code, the state, a name and at times an ID token, 2 KB in all
)

// posted is a form that was put aside, with the time and the client address under which it is counted.
type posted struct {
	Form url.Values `json:"form"`
	At   int64      `json:"at"` // Unix milliseconds
	Addr netip.Addr `json:"by"`
}

// keepPosted is the first step. If a form is posted twice, the first one stays.
func (a *Auth) keepPosted(w http.ResponseWriter, r *http.Request, t *attempt) error {
	ctx, place := r.Context(), a.attempts.place(t.ID)
	next := a.origin + r.URL.Path + "?" + postedParam + "=" + place
	switch err := a.checkFailures(r, usedKey(place)); {
	case err == nil:
	case err.Code == "used_state": // the second step shows it, to a browser that sends all its cookies
		seeOther(w, next)
		return nil
	default:
		return err
	}
	if size(r.PostForm) > maxPosted {
		return errTooLarge()
	}
	p := &posted{Form: r.PostForm, At: a.sessions.Now().UnixMilli(), Addr: a.clients.Addr(r)}
	value, err := a.sealRow(ctx, postedKey(place), p)
	if err != nil {
		return fmt.Errorf("postern: the form of a callback: %w", err)
	}
	if err := a.takePlace(r, p); err != nil {
		return err
	}
	put := store.Put(store.Item{Key: postedKey(place), Value: value, Expires: attemptGone(t)})
	switch err := a.store.Write(ctx, put); {
	case errors.Is(err, store.ErrConflict): // posted before, and counted then
		a.giveBackPlace(ctx, p)
	case err != nil:
		return unavailable(fmt.Errorf("postern: keeping the form of a callback: %w", err))
	}
	seeOther(w, next)
	return nil
}

// postedBuckets bound the forms of one client address that are put aside: each is a row in the store, and the second
// step may never come. A sign-in that succeeds gives its take back, so the bound is for people who sign in at the same
// moment, as underwayMost is.
func (a *Auth) postedBuckets(p *posted) []limit.Bucket {
	return limit.Client(limit.Rule{Name: "posted", Every: 10 * time.Minute, Burst: underwayMost}, a.issuer, p.Addr)
}

// takePlace counts a form that is about to be put aside.
func (a *Auth) takePlace(r *http.Request, p *posted) error {
	err := limit.TakeAll(r.Context(), a.store, time.UnixMilli(p.At), a.postedBuckets(p)...)
	if err == nil {
		return nil
	}
	if !errors.Is(err, limit.ErrLimited) {
		return unavailable(err)
	}
	if x := exchangeOf(r); x != nil {
		x.counted = true // no attempt failed
	}
	return refusal(err)
}

// giveBackPlace undoes takePlace. It is best effort: after a failure the form counts for ten minutes.
func (a *Auth) giveBackPlace(ctx context.Context, p *posted) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	_ = limit.GiveBack(ctx, a.store, time.UnixMilli(p.At), nil, a.postedBuckets(p)...)
}

// findPosted finds the attempt of the second step by its place.
func (c attempts) findPosted(r *http.Request, flow, place string) (*attempt, error) {
	if !isState(place) {
		return nil, errState(errors.New("a malformed address of a posted form"))
	}
	t, err := c.openNamed(r, c.prefix+place[:shortcookie.NameLength])
	if err != nil {
		return nil, err
	}
	if c.place(t.ID) != place || !t.FormPost {
		return nil, errState(errors.New("another attempt in the cookie"))
	}
	return c.check(t, flow)
}

// takePosted is the second step: it makes the form that was put aside the form of this request.
func (a *Auth) takePosted(r *http.Request, t *attempt) error {
	place := a.attempts.place(t.ID)
	items, err := a.store.Get(r.Context(), postedKey(place))
	if err != nil {
		return unavailable(fmt.Errorf("postern: reading the form of a callback: %w", err))
	}
	if len(items) == 0 {
		return errState(errors.New("no form was posted"))
	}
	p := &posted{Form: url.Values{}}
	if err := a.openRow(r.Context(), items[0], p); err != nil {
		return fmt.Errorf("postern: the form of a callback: %w", err)
	}
	r.Form, r.PostForm = p.Form, p.Form
	if x := exchangeOf(r); x != nil {
		x.posted = p
	}
	return nil
}

func size(form url.Values) (n int) {
	for name, values := range form {
		n += len(name) + len(values[0]) // each comes once
	}
	return n
}

func postedKey(place string) store.Key { return store.Key{Part: "flow:" + place, ID: "posted"} }

// attemptGone returns the time after which no instance accepts the cookie of t, even if its clock is slow.
func attemptGone(t *attempt) time.Time {
	return time.UnixMilli(t.Created).Add(attemptLife + 2*attemptSkew)
}

// sealRow returns the value of an attempt's row. It is sealed, and opens only under its own key, so a reader of the
// store learns nothing and a writer cannot move it to another row.
func (a *Auth) sealRow(ctx context.Context, key store.Key, v any) ([]byte, error) {
	plain, err := compactJSON(v)
	if err != nil {
		return nil, err
	}
	sealed, err := seal.Seal(ctx, a.sessions.Secrets(), "flow row", plain, a.issuer, key.Part, key.ID)
	if err != nil {
		return nil, err
	}
	return json.Marshal(sealedRow{sealed})
}

func (a *Auth) openRow(ctx context.Context, item store.Item, v any) error {
	var row sealedRow
	if err := json.Unmarshal(item.Value, &row); err != nil {
		return err
	}
	plain, err := seal.Open(ctx, a.sessions.Secrets(), "flow row", row.Sealed, a.issuer, item.Key.Part, item.Key.ID)
	if err != nil {
		return err
	}
	return json.Unmarshal(plain, v)
}

// compactJSON encodes v without the escapes for HTML, which take six bytes for one.
func compactJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(v)
	return b.Bytes(), err
}

type sealedRow struct {
	Sealed string `json:"sealed"`
}
