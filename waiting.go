package postern

import (
	"errors"
	"fmt"
	"net/http"
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
)

// waitRow is what the store keeps of a waiting sign-in, sealed.
type waitRow struct {
	User     string    `json:"u"`
	Sec      int64     `json:"sec"`
	Methods  []string  `json:"amr,omitempty"`
	Time     time.Time `json:"at"`
	Provider string    `json:"p,omitempty"`
	Issuer   string    `json:"i,omitempty"`
	Subject  string    `json:"s,omitempty"`
	New      bool      `json:"new,omitempty"`
	Addr     string    `json:"addr,omitempty"`
	Join     linkState `json:"join,omitzero"`
	Used     bool      `json:"used,omitempty"`
}

func (a *Auth) waitKey(userID, id string) store.Key {
	return store.Key{Part: a.partOfUser(userID), ID: "wait:" + a.attempts.place(id)}
}

// wait writes a waiting sign-in, and gives its name to the browser.
func (a *Auth) wait(w http.ResponseWriter, r *http.Request, in *SignIn, h head.Head, join linkState) (*attempt, error) {
	x := exchangeOf(r)
	x.whose = whose{User: in.UserID, Sec: h.Sec}
	t, err := a.beginOwn(w, r, in.Return, flowWait, purposeWait, nil)
	if err != nil {
		return nil, err
	}
	key := a.waitKey(in.UserID, t.ID)
	value, err := a.sealRow(r.Context(), key, waitRow{
		User: in.UserID, Sec: h.Sec, Methods: in.Authentication.Methods, Time: in.Authentication.Time, Provider: in.Identity.Provider,
		Issuer: in.Identity.Issuer, Subject: in.Identity.Subject, New: in.New, Addr: in.Return.Addr(), Join: join,
	})
	if err != nil {
		return nil, unavailable(err)
	}
	item := store.Item{Key: key, Value: value, Expires: attemptGone(t)}
	if err := a.store.Write(r.Context(), store.Put(item), h.Check()); errors.Is(err, store.ErrConflict) {
		return nil, errChanged()
	} else if err != nil {
		return nil, unavailable(err)
	}
	return t, nil
}

// resumeWaiting finds the waiting sign-in of a request and uses it up. A waiting sign-in whose user's security has
// changed is refused.
func (a *Auth) resumeWaiting(w http.ResponseWriter, r *http.Request) (*SignIn, waitRow, error) {
	fail := func(err error) (*SignIn, waitRow, error) { return nil, waitRow{}, err }
	ctx := r.Context()
	t, err := a.attempts.find(r, flowWait)
	if err != nil {
		return fail(err)
	}
	if t.Purpose != purposeWait {
		return fail(errPurpose())
	}
	key, headKey := a.waitKey(t.Whose.User, t.ID), head.Key(a.session.pool, t.Whose.User)
	items, err := a.store.Get(ctx, key, headKey)
	if err != nil {
		return fail(unavailable(err))
	}
	h, err := head.Find(items, headKey)
	if err != nil {
		return fail(unavailable(err))
	}
	var row waitRow
	var item store.Item
	for _, it := range items {
		if it.Key == key {
			item = it
			if err := a.openRow(ctx, it, &row); err != nil {
				return fail(unavailable(fmt.Errorf("postern: the row of a waiting sign-in does not open: %w", err)))
			}
		}
	}
	switch {
	case item.Version == "" || row.User != t.Whose.User:
		return fail(errState(errors.New("there is no such waiting sign-in")))
	case row.Used:
		return fail(errUsed())
	case row.Sec != h.Sec || h.Gone != "":
		return fail(errChanged())
	}
	row.Used = true
	if item.Value, err = a.sealRow(ctx, key, row); err != nil {
		return fail(unavailable(err))
	}
	if err := a.store.Write(ctx, store.Put(item), h.Check()); errors.Is(err, store.ErrConflict) {
		return fail(errUsed())
	} else if err != nil {
		return fail(unavailable(err))
	}
	a.attempts.clear(w, t)
	exchangeOf(r).attempt = t
	ret := t.ret()
	if row.Addr != "" {
		ret = ret.From(row.Addr)
	}
	return &SignIn{
		Identity: Identity{Provider: row.Provider, Issuer: row.Issuer, Subject: row.Subject}, UserID: row.User, New: row.New,
		Authentication: session.Authentication{Time: row.Time, Methods: row.Methods}, Return: ret,
	}, row, nil
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
