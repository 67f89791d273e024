package postern

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/posternauth/postern/internal/head"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

// A sign-in waits where the person must answer something before the session begins. It is a row of one use among the
// rows of the user, so a change of the user's security ends it: the browser has its name alone. The provider's tokens
// do not survive the wait.
const (
	flowWait    = "/wait" // no provider can have this name
	purposeWait = "wait"

	purposeOffer = "offer" // the session has begun: the attempt says where the sign-in leads, see offer.go
)

// waitRow is what the store keeps of a waiting sign-in, sealed.
type waitRow struct {
	User       string    `json:"u"`
	Sec        int64     `json:"sec"`
	Seq        int64     `json:"seq"` // an addition, such as a factor, ends what waits, and no session
	Methods    []string  `json:"amr,omitempty"`
	Factors    []string  `json:"factors,omitempty"` // shown so far
	Remembered bool      `json:"remembered,omitempty"`
	Time       time.Time `json:"at"`
	Provider   string    `json:"p,omitempty"`
	Issuer     string    `json:"i,omitempty"`
	Subject    string    `json:"s,omitempty"`
	New        bool      `json:"new,omitempty"`
	Addr       string    `json:"addr,omitempty"`

	For    waitFor     `json:"for"`
	Join   linkState   `json:"join,omitzero"`
	Need   Requirement `json:"need,omitzero"`
	Tries  int         `json:"tries,omitempty"`
	Proved bool        `json:"proved,omitempty"` // of waitEnroll: the person may begin to have a factor
	Used   string      `json:"used,omitempty"`   // by which request
}

// waitFor is what a sign-in waits for. An answer to something else is refused.
type waitFor string

const (
	waitJoin   waitFor = "join"    // whether an identity is added
	waitFactor waitFor = "factor"  // a factor of the person
	waitStepUp waitFor = "step-up" // a factor of the person, who is signed in
	waitEnroll waitFor = "enroll"  // a factor that the person begins to have
	waitOffer  waitFor = "offer"   // whether the person, who is signed in, adds what is offered
)

// A waiting is a waiting sign-in, as a request finds it.
type waiting struct {
	attempt *attempt
	row     waitRow
	item    store.Item
	head    head.Head
}

func (a *Auth) waitKey(userID, id string) store.Key {
	return store.Key{Part: a.partOfUser(userID), ID: "wait:" + a.attempts.place(id)}
}

// wait writes a waiting sign-in, and gives its name to the browser. more says what it waits for.
func (a *Auth) wait(w http.ResponseWriter, r *http.Request, in *SignIn, h head.Head, more waitRow) (*attempt, error) {
	x := exchangeOf(r)
	x.whose.User, x.whose.Sec = in.UserID, h.Sec
	purpose := purposeWait
	if more.For == waitOffer {
		purpose = purposeOffer
	}
	t, err := a.beginOwn(w, r, in.Return, flowWait, purpose, nil)
	if err != nil {
		return nil, err
	}
	row := more
	row.User, row.Sec, row.Seq = in.UserID, h.Sec, h.Seq
	row.Methods, row.Factors, row.Remembered, row.Time = in.Authentication.Methods, in.Authentication.Factors, in.Authentication.Remembered, in.Authentication.Time
	row.Provider, row.Issuer, row.Subject, row.New, row.Addr = in.Identity.Provider, in.Identity.Issuer, in.Identity.Subject, in.New, in.Return.Addr()
	put, err := a.putWait(r.Context(), store.Item{Key: a.waitKey(in.UserID, t.ID), Expires: attemptGone(t)}, row)
	if err != nil {
		return nil, err
	}
	if err := a.store.Write(r.Context(), put, h.Check()); errors.Is(err, store.ErrConflict) {
		return nil, errChanged()
	} else if err != nil {
		return nil, unavailable(err)
	}
	return t, nil
}

// putWait returns the change that writes a row.
func (a *Auth) putWait(ctx context.Context, item store.Item, row waitRow) (store.Change, error) {
	value, err := a.sealRow(ctx, item.Key, row)
	if err != nil {
		return store.Change{}, unavailable(err)
	}
	item.Value = value
	return store.Put(item), nil
}

// findWaiting returns the waiting sign-in of a request's state, if it waits for one of these. One whose user's security
// has changed is refused.
func (a *Auth) findWaiting(r *http.Request, kinds ...waitFor) (*waiting, error) {
	ctx := r.Context()
	if a.session == nil {
		return nil, errNotFound()
	}
	t, err := a.attempts.find(r, flowWait)
	if err != nil {
		return nil, err
	}
	if want := slices.Contains(kinds, waitOffer); want && t.Purpose != purposeOffer || !want && t.Purpose != purposeWait {
		return nil, errPurpose()
	}
	return a.readWaiting(ctx, t, kinds...)
}

// readWaiting is findWaiting for an attempt that was found.
func (a *Auth) readWaiting(ctx context.Context, t *attempt, kinds ...waitFor) (*waiting, error) {
	key, headKey := a.waitKey(t.Whose.User, t.ID), head.Key(a.session.pool, t.Whose.User)
	items, err := a.store.Get(ctx, key, headKey)
	if err != nil {
		return nil, unavailable(err)
	}
	wt := &waiting{attempt: t}
	if wt.head, err = head.Find(items, headKey); err != nil {
		return nil, unavailable(err)
	}
	for _, it := range items {
		if it.Key == key {
			wt.item = it
			if err := a.openRow(ctx, it, &wt.row); err != nil {
				return nil, unavailable(fmt.Errorf("postern: the row of a waiting sign-in does not open: %w", err))
			}
		}
	}
	switch row := wt.row; {
	case wt.item.Version == "" || row.User != t.Whose.User:
		return nil, errState(errors.New("there is no such waiting sign-in"))
	case row.Used != "":
		return nil, errUsed()
	case !slices.Contains(kinds, row.For):
		return nil, errPurpose()
	case row.Sec != wt.head.Sec || row.Seq != wt.head.Seq || wt.head.Gone != "":
		return nil, errChanged()
	}
	return wt, nil
}

// useWaiting uses up a waiting sign-in, together with other changes. guard is what it does with the head: check it, or
// write it.
func (a *Auth) useWaiting(r *http.Request, wt *waiting, guard store.Change, changes ...store.Change) error {
	ctx := r.Context()
	row := wt.row
	row.Used = rand.Text()
	put, err := a.putWait(ctx, wt.item, row)
	if err != nil {
		return err
	}
	err = a.store.Write(ctx, append([]store.Change{put, guard}, changes...)...)
	if err == nil {
		wt.row, wt.item = row, put.Item
		return nil
	}
	now := waitRow{} // the write may have taken effect, or somebody else was faster
	if items, e := a.store.Get(ctx, wt.item.Key); e == nil && len(items) == 1 && a.openRow(ctx, items[0], &now) == nil {
		switch {
		case now.Used == row.Used:
			wt.row, wt.item = row, items[0]
			return nil
		case now.Used != "":
			return errUsed()
		}
	}
	if errors.Is(err, store.ErrConflict) {
		return errAtOnce()
	}
	return unavailable(err)
}

// errAtOnce refuses a deed that lost a race.
func errAtOnce() *Error {
	return &Error{Status: http.StatusConflict, Code: "changed", Text: "Something about this account was changed at the same time. Please look at it and try again."}
}

// signIn returns the sign-in that waits.
func (wt *waiting) signIn() *SignIn {
	row, ret := wt.row, wt.attempt.ret()
	if row.Addr != "" {
		ret = ret.From(row.Addr)
	}
	return &SignIn{
		Identity: Identity{Provider: row.Provider, Issuer: row.Issuer, Subject: row.Subject}, UserID: row.User, New: row.New,
		Authentication: session.Authentication{Time: row.Time, Methods: row.Methods, Factors: row.Factors, Remembered: row.Remembered}, Return: ret,
	}
}

// goOn ends a waiting sign-in that was used up: the stations go on with it. sec is that of the head by now.
func (a *Auth) goOn(w http.ResponseWriter, r *http.Request, wt *waiting, in *SignIn, sec int64) {
	a.attempts.clear(w, wt.attempt)
	x := exchangeOf(r)
	x.attempt, x.setUp = wt.attempt, wt.row.For == waitEnroll
	(&Flow{auth: a, name: cmp.Or(in.Identity.Provider, wt.row.Provider)}).finishWaiting(w, r, in, sec)
}

// leave redirects to where an attempt leads, for a step that ends no sign-in.
func (a *Auth) leave(w http.ResponseWriter, t *attempt) error {
	if _, ok := a.redirects.match(t.Target); !ok {
		return errReturn()
	}
	location, err := returnURL(t.ret())
	if err != nil {
		return err
	}
	seeOther(w, location)
	return nil
}
