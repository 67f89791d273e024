package postern

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/posternauth/postern/internal/head"
	"github.com/posternauth/postern/store"
)

// undoLife is how long the owner of an address can undo that it was replaced or removed. users.Directory keeps the
// address from others for as long.
const undoLife = 7 * 24 * time.Hour

const maxUndo = 20 // changes of one user that can be undone at a time

// An undo is a change of an address that can be undone, or with Notice another event. Hash is that of the token that
// was mailed to the old address, or with the notice.
type undo struct {
	Hash   string    `json:"hash"`
	More   []string  `json:"more,omitempty"`   // hashes of further tokens that do the same
	Notice string    `json:"notice,omitempty"` // name of the mail about the event
	Mails  []string  `json:"mails,omitempty"`  // with Notice: the mailboxes from before
	Old    string    `json:"old"`
	New    string    `json:"new,omitempty"`   // empty: Old was removed
	Sec    int64     `json:"sec"`             // of the head before the change: that of an older change is smaller
	Ways   []string  `json:"ways,omitempty"`  // to sign in, from before the change, without mailboxes
	Begun  bool      `json:"begun,omitempty"` // the account is frozen, but its sessions may not have ended
	Until  time.Time `json:"until"`
}

// An undoRow holds all changes of a user that can be undone, sealed.
type undoRow struct {
	Undos []undo `json:"undos"`
	item  store.Item
}

func (a *Auth) undoKey(userID string) store.Key {
	return store.Key{Part: a.partOfUser(userID), ID: "undo"}
}

// readUndo reads the changes that can still be undone, and the head of the user.
func (a *Auth) readUndo(ctx context.Context, userID string) (row undoRow, h head.Head, err error) {
	key, headKey := a.undoKey(userID), head.Key(a.session.pool, userID)
	items, err := a.store.Get(ctx, key, headKey)
	if err != nil {
		return row, h, unavailable(err)
	}
	if h, err = head.Find(items, headKey); err != nil {
		return row, h, unavailable(err)
	}
	row.item = store.Item{Key: key}
	if i := slices.IndexFunc(items, func(it store.Item) bool { return it.Key == key }); i >= 0 {
		row.item = items[i]
		if err := a.openRow(ctx, row.item, &row); err != nil {
			return row, h, unavailable(fmt.Errorf("postern: the row of changes that can be undone does not open: %w", err))
		}
	}
	now := a.sessions.Now()
	row.Undos = slices.DeleteFunc(row.Undos, func(u undo) bool { return !now.Before(u.Until) })
	return row, h, nil
}

// find returns the change that a token undoes, or nil.
func (r *undoRow) find(token string) *undo {
	hash := head.Hash("undo", token)
	same := func(kept string) bool { return subtle.ConstantTimeCompare([]byte(kept), []byte(hash)) == 1 }
	i := slices.IndexFunc(r.Undos, func(u undo) bool { return same(u.Hash) || slices.ContainsFunc(u.More, same) })
	if i < 0 {
		return nil
	}
	return &r.Undos[i]
}

func (a *Auth) putUndo(ctx context.Context, row undoRow) (c store.Change, err error) {
	if len(row.Undos) == 0 && row.item.Version != "" {
		return store.Delete(row.item.Key, row.item.Version), nil
	}
	row.item.Expires = a.sessions.Now().Add(undoLife)
	if row.item.Value, err = a.sealRow(ctx, row.item.Key, row); err != nil {
		return c, unavailable(err)
	}
	return store.Put(row.item), nil
}

// undoOf returns the change that makes a change of an address one that can be undone, for the same write.
func (a *Auth) undoOf(ctx context.Context, userID, token string, c AddressChange) (store.Change, error) {
	row, h, err := a.readUndo(ctx, userID)
	if err != nil {
		return store.Change{}, err
	}
	changes := 0
	for _, u := range row.Undos {
		if u.Notice == "" {
			changes++
		}
	}
	if changes >= maxUndo {
		return store.Change{}, &Error{Status: http.StatusConflict, Code: "too_many", Text: "The addresses of this account were changed too often. Please try again in some days."}
	}
	ways, err := a.trustedWays(ctx, userID, h)
	if err != nil {
		return store.Change{}, err
	}
	row.Undos = append(row.Undos, undo{Hash: head.Hash("undo", token), Old: c.Old, New: c.New, Sec: h.Sec, Ways: ways, Until: a.sessions.Now().Add(undoLife).UTC()})
	return a.putUndo(ctx, row)
}

// mailUndo mails to an address that was given up how to undo it.
func (a *Auth) mailUndo(ctx context.Context, p Person, address, token string) {
	link := a.issuer + "/account/undo?" + url.Values{"user": {p.ID}, "token": {token}}.Encode()
	if a.mail == nil {
		return
	}
	a.noticeAll(ctx, p, []string{address}, noticeOfUndo(link))
}

var errUndo = badRequest("expired_code", "This link does not work any more: it was used, or is older than seven days. Please write to the people who run this site.")

// undoable returns the changes of a user, and that which the token can undo.
func (a *Auth) undoable(ctx context.Context, userID, token string) (row undoRow, u *undo, h head.Head, err error) {
	if userID == "" || len(userID) > 255 || token == "" || len(token) > 255 {
		return row, nil, h, errUndo
	}
	if row, h, err = a.readUndo(ctx, userID); err != nil {
		return row, nil, h, err
	}
	if u = row.find(token); u == nil || h.Gone == head.Deleted {
		return row, nil, h, errUndo
	}
	return row, u, h, nil
}

// showUndo is the page of the link. A program that opens links changes nothing.
func (a *Auth) showUndo(w http.ResponseWriter, r *http.Request) error {
	user, token := r.Form.Get("user"), r.Form.Get("token")
	_, u, _, err := a.undoable(r.Context(), user, token)
	if err != nil {
		return err
	}
	if u.Notice != "" {
		a.show(w, r, a.notMePage(user, token))
		return nil
	}
	a.show(w, r, Page{Name: "postern.undo-change", Title: "Undo the change?",
		Text:  "All sessions of your account end. Then only the ways to sign in work that were there before the change.",
		Forms: []Form{{Action: a.issuer + "/account/undo", Hidden: map[string]string{"user": user, "token": token}, Submit: "Undo the change"}}})
	return nil
}

// postUndo freezes the account, and then ends its sessions. If a request ends between the two, the same link does the
// rest.
func (a *Auth) postUndo(w http.ResponseWriter, r *http.Request) error {
	if err := knownMembers(r, "user", "token"); err != nil {
		return err
	}
	ctx, user, token := r.Context(), r.PostForm.Get("user"), r.PostForm.Get("token")
	for range 5 {
		_, u, h, err := a.undoable(ctx, user, token)
		if err != nil {
			return err
		}
		if u.Begun {
			return a.endUndo(w, r, user, token, *u)
		}
		if err := a.freeze(ctx, user, token, *u, h); err != nil && !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
	return unavailable(errors.New("postern: too many requests write the same user at once"))
}

// endUndo ends the sessions of an account that is frozen, and uses up the link.
func (a *Auth) endUndo(w http.ResponseWriter, r *http.Request, userID, token string, done undo) error {
	ctx := r.Context()
	if err := a.EndUser(ctx, userID); err != nil {
		return unavailable(err)
	}
	if row, u, _, err := a.undoable(ctx, userID, token); err == nil {
		hash := u.Hash
		row.Undos = slices.DeleteFunc(row.Undos, func(other undo) bool { return other.Hash == hash })
		if c, err := a.putUndo(ctx, row); err == nil {
			_ = a.store.Write(ctx, c) // best effort: the link can only end the sessions again
		}
	}
	if done.Notice != "" {
		a.emitOf(ctx, Event{Name: "account frozen", UserID: userID, Kind: a.session.name, Reason: done.Notice})
		a.notifyOf(ctx, userID, noticeStopped)
		a.show(w, r, a.stoppedPage())
		return nil
	}
	a.emitOf(ctx, Event{Name: "address change undone", UserID: userID, Kind: a.session.name})
	a.notifyOf(ctx, userID, noticeUndone)
	text := "All sessions of your account have ended. Sign in with a way that you had before the change, and look at what your account has: remove what is not yours."
	if len(done.Ways) == 0 {
		text = "All sessions of your account have ended, and your address is back. Sign in with it, and look at what your account has: remove what is not yours."
	}
	a.show(w, r, Page{Name: "postern.change-undone", Title: "The change was undone", Text: text,
		Links: []Link{{Name: "sign-in", Text: "Sign in", URL: a.issuer + "/authorize"}}})
	return nil
}

// freeze undoes a change. Where the account had another way to sign in than a mailbox before the change, that way must
// be shown now, and the addresses stay: the old mailbox may belong to somebody else by now. Else the mailbox was the
// only proof, and the old address comes back. The error is store.ErrConflict if another write came first.
func (a *Auth) freeze(ctx context.Context, userID, token string, u undo, h head.Head) error {
	p, err := a.session.users.Get(ctx, userID)
	switch {
	case errors.Is(err, ErrNoUser):
		return errUndo
	case err != nil:
		return unavailableUsers("Users.Get", err)
	}
	changer, ok := a.session.users.(AddressChanger)
	back := ok && u.Notice == "" && len(u.Ways) == 0 && !verifiedMail(p, u.Old)
	more := func(sec int64) ([]store.Change, error) {
		if sec != h.Sec {
			return nil, store.ErrConflict
		}
		return a.freezing(ctx, userID, token)
	}
	c := AddressChange{Old: u.New, New: u.Old, Undo: true, Offered: a.offered(), Also: more}
	if back && a.keepsHeads() {
		return undone(changer.ChangeAddress(ctx, userID, c))
	}
	if back { // a table of the program does the same twice
		if !verifiedMail(p, u.New) {
			c.Old = ""
		}
		c.Also = nil
		if err := undone(changer.ChangeAddress(ctx, userID, c)); err != nil {
			return err
		}
	}
	changes, err := more(h.Sec)
	if err != nil {
		return err
	}
	h = h.Moved()
	h.Frozen = true
	if err := a.store.Write(ctx, append(changes, h.Put())...); err != nil && !errors.Is(err, store.ErrConflict) {
		return unavailable(err)
	} else if err != nil {
		return err
	}
	return nil
}

// undone is the error of a change that puts an address back.
func undone(err error) error {
	var e *Error
	switch {
	case err == nil, errors.Is(err, store.ErrConflict):
		return err
	case errors.Is(err, ErrNoUser), errors.Is(err, ErrTaken), errors.As(err, &e) && e.Status < http.StatusInternalServerError:
		return errUndo // the address is another's by now, or was given up in another way
	}
	return unavailableUsers("Users.ChangeAddress", err)
}

// accepts reports whether a mailbox signs in to the account that the link has frozen.
func (u *undo) accepts(address string) bool {
	if u.Notice != "" {
		return slices.Contains(u.Mails, wayOfMail(address))
	}
	return len(u.Ways) == 0 && address == u.Old
}

// without returns the events without those that came after one which is undone. The link of a notice keeps the changes
// of addresses: it brings no address back.
func (r *undoRow) without(u *undo) (kept []undo) {
	after := false
	for i := range r.Undos {
		other := &r.Undos[i]
		if !after || u.Notice != "" && other.Notice == "" {
			kept = append(kept, *other)
		}
		after = after || other == u
	}
	return kept
}

// freezing returns the changes of a freeze, without the head, which ends a change that waits: what is refused, and the
// mark of the link. Later changes cannot be undone any more: their old addresses came with this one.
func (a *Auth) freezing(ctx context.Context, userID, token string) ([]store.Change, error) {
	row, u, h, err := a.undoable(ctx, userID, token)
	if err != nil {
		return nil, err
	}
	p, err := a.session.users.Get(ctx, userID)
	if err != nil {
		return nil, unavailableUsers("Users.Get", err)
	}
	now, err := a.waysNow(ctx, userID)
	if err != nil {
		return nil, err
	}
	f := freezeRow{Denied: slices.DeleteFunc(now, func(way string) bool { return slices.Contains(u.Ways, way) })}
	for _, address := range p.Addresses {
		if address.Verified && !u.accepts(address.Value) {
			f.Denied = append(f.Denied, wayOfMail(address.Value))
		}
	}
	earlier, frozen, err := a.readFreeze(ctx, userID)
	if err != nil {
		return nil, err
	}
	f.Resets = u.Notice != "" && (!h.Frozen || earlier.Resets)
	if h.Frozen { // a second link refuses no less than the first
		back := u.Notice == "" && len(u.Ways) == 0
		for _, way := range earlier.Denied {
			if !f.denies(way) && !(back && way == wayOfMail(u.Old)) {
				f.Denied = append(f.Denied, way)
			}
		}
	}
	if frozen.Value, err = a.sealRow(ctx, frozen.Key, f); err != nil {
		return nil, unavailable(err)
	}
	u.Begun = true
	row.Undos = row.without(u)
	put, err := a.putUndo(ctx, row)
	if err != nil {
		return nil, err
	}
	return []store.Change{put, store.Put(frozen)}, nil
}
