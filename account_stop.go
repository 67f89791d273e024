package postern

import (
	"context"
	"crypto/subtle"
	"errors"
	"net/http"

	"github.com/posternauth/postern/internal/head"
	"github.com/posternauth/postern/store"
)

// stopChange is the page of the link in the notice about a change. A program that opens links changes nothing.
func (a *Auth) stopChange(w http.ResponseWriter, r *http.Request) error {
	user, token := r.Form.Get("user"), r.Form.Get("token")
	if _, _, _, err := a.stoppable(r.Context(), user, token); err != nil {
		return err
	}
	a.show(w, r, Page{Name: "postern.stop-change", Title: "Stop the change?",
		Text:  "The change of the addresses of your account stops, and all its sessions end.",
		Forms: []Form{{Action: a.issuer + "/account/stop", Hidden: map[string]string{"user": user, "token": token}, Submit: "Stop the change"}}})
	return nil
}

// postStopChange stops a change, and then ends the sessions. If a request ends between the two, the same link does the
// rest.
func (a *Auth) postStopChange(w http.ResponseWriter, r *http.Request) error {
	if err := knownMembers(r, "user", "token"); err != nil {
		return err
	}
	ctx, user := r.Context(), r.PostForm.Get("user")
	c, item, h, err := a.stoppable(ctx, user, r.PostForm.Get("token"))
	if err != nil {
		return err
	}
	if !c.Stopped {
		c.Stopped = true
		if item.Value, err = a.sealRow(ctx, item.Key, c); err != nil {
			return unavailable(err)
		}
		stop := store.Put(item)
		switch err := a.store.Write(ctx, stop, h.Moved().Put()); {
		case errors.Is(err, store.ErrConflict):
			return errStop
		case err != nil:
			return unavailable(err)
		}
		item = stop.Item
	}
	if err := a.EndUser(ctx, user); err != nil {
		return unavailable(err)
	}
	_ = a.store.Write(ctx, store.Delete(item.Key, item.Version)) // best effort: the link can only end the sessions again
	a.endCode(ctx, c.code())
	a.emitOf(ctx, Event{Name: "address change stopped", UserID: user, Kind: a.session.name})
	a.show(w, r, Page{Name: "postern.change-stopped", Title: "The change was stopped",
		Text:  "All sessions of your account have ended. Sign in again, and change your password if you have one.",
		Links: []Link{{Name: "sign-in", Text: "Sign in", URL: a.issuer + "/authorize"}}})
	return nil
}

var errStop = badRequest("expired_code", "This link does not work any more: the change is done, or was stopped, or is older than an hour.")

// stoppable returns the change and its row, if the token is that of its notice.
func (a *Auth) stoppable(ctx context.Context, userID, token string) (c changeRow, item store.Item, h head.Head, err error) {
	if userID == "" || len(userID) > 255 {
		return c, item, h, errStop
	}
	if c, item, err = a.readChange(ctx, userID); err != nil {
		return c, item, h, err
	}
	if c.ID == "" || c.Done || subtle.ConstantTimeCompare([]byte(c.Stop), []byte(head.Hash("stop", token))) != 1 {
		return c, item, h, errStop
	}
	if h, err = head.Get(ctx, a.store, a.session.pool, userID); err != nil {
		return c, item, h, unavailable(err)
	}
	if h.Sec != c.Sec && !c.Stopped {
		return c, item, h, errStop
	}
	return c, item, h, nil
}
