package postern

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/posternauth/postern/internal/head"
	"github.com/posternauth/postern/internal/mailaddr"
	"github.com/posternauth/postern/store"
)

const (
	verifyLife       = 7 * 24 * time.Hour
	verifyMailsEvery = time.Hour
	verifyMails      = 5
)

// A verifyRow is an address that an administrator has given to a user, and that its mailbox has not confirmed yet. It
// is sealed.
type verifyRow struct {
	User    string `json:"user"`
	Address string `json:"a"`
	Sec     int64  `json:"sec,omitempty"` // of User
	Seq     int64  `json:"seq,omitempty"` // of User: once they have another way to sign in, the account is in use
	Had     int64  `json:"had,omitempty"` // Rights of User: what the administrator may do was compared with them
	By      string `json:"by"`            // an administrator: a change of their security or rights takes it back
	Pool    string `json:"pool"`          // of By
	BySec   int64  `json:"by_sec,omitempty"`
	Rights  int64  `json:"rights,omitempty"` // of By
	Used    bool   `json:"used,omitempty"`
}

// VerifyByMail mails a link to an address that an administrator has given to a user. The link works for seven days,
// once. Its page confirms the address as one of the user, signs nobody in, and asks for no password. Users must be an
// [AddressChanger].
func (f *Flow) VerifyByMail(ctx context.Context, actor Actor, userID, address string) error {
	a := f.auth
	to, ok := canonicalAddress(address)
	switch {
	case a.session == nil:
		return errNotFound()
	case !ok:
		return badRequest("invalid_address", "This is not one mail address.")
	case a.mail == nil:
		return &Error{Status: http.StatusConflict, Code: "no_mail", Text: "This program sends no mail: Config.Mail is not set."}
	}
	if err := f.LimitUser(ctx, "admin verify mail", userID, verifyMailsEvery, verifyMails); err != nil {
		return err
	}
	h, err := head.Get(ctx, a.store, a.session.pool, userID)
	if err != nil {
		return unavailable(err)
	}
	token := rand.Text() + rand.Text() // 260 bits
	key := a.verifyKey(token)
	value, err := a.sealRow(ctx, key, verifyRow{User: userID, Address: to, Sec: h.Sec, Seq: h.Seq, Had: h.Rights, By: actor.UserID, Pool: actor.Pool, BySec: actor.Sec, Rights: actor.Rights})
	if err != nil {
		return unavailable(err)
	}
	if err := a.store.Write(ctx, store.Put(store.Item{Key: key, Value: value, Expires: a.sessions.Now().Add(verifyLife)})); err != nil {
		return unavailable(err)
	}
	link := a.issuer + "/account/confirm?" + url.Values{"token": {token}}.Encode()
	m := a.confirmMail(link)
	m.To, m.Language = to, a.languageOfUser(ctx, userID)
	return a.sendMail(ctx, m)
}

// confirmMail is the mail with the link that confirms an address which an administrator has given.
func (a *Auth) confirmMail(link string) Mail {
	return Mail{
		Name: "postern.confirm-address", Args: map[string]any{"app": a.name, "link": link, "life": verifyLife},
		Subject: "Your address at {app}",
		Parts: []MailPart{
			{Text: "The people who run {app} have given this address to an account there. If it is yours, open this link to confirm it:"},
			{Text: "Confirm the address", Link: link},
			{Text: "The link works for {life}, once. If you know nothing of it, ignore this mail."},
		},
	}
}

func (a *Auth) verifyKey(token string) store.Key {
	return store.Key{Part: "verify:" + head.Hash("verify", a.issuer, token), ID: "address"}
}

var errVerify = badRequest("expired_code", "This link does not work any more: it was used, is older than seven days, or something about the account has changed. Please ask for a new one.")

// verifiable returns the row of a link that works, and the change that uses it up.
func (a *Auth) verifiable(ctx context.Context, token string) (v verifyRow, used store.Change, err error) {
	if len(token) > 100 {
		return v, used, errVerify
	}
	key := a.verifyKey(token)
	items, err := a.store.Get(ctx, key)
	switch {
	case err != nil:
		return v, used, unavailable(err)
	case len(items) == 0:
		return v, used, errVerify
	}
	if err := a.openRow(ctx, items[0], &v); err != nil {
		return v, used, unavailable(fmt.Errorf("postern: the row of an address does not open: %w", err))
	}
	by, err := head.Get(ctx, a.store, v.Pool, v.By)
	if err != nil {
		return v, used, unavailable(err)
	}
	h, err := head.Get(ctx, a.store, a.session.pool, v.User)
	if err != nil {
		return v, used, unavailable(err)
	}
	if v.Used || h.Gone != "" || h.Sec != v.Sec || h.Seq != v.Seq || h.Rights != v.Had || by.Gone != "" || by.Sec != v.BySec || by.Rights != v.Rights {
		return v, used, errVerify
	}
	done := v
	done.Used = true
	item := items[0]
	if item.Value, err = a.sealRow(ctx, key, done); err != nil {
		return v, used, unavailable(err)
	}
	return v, store.Put(item), nil
}

// showConfirm is the page of the link. A program that opens links confirms nothing.
func (a *Auth) showConfirm(w http.ResponseWriter, r *http.Request) error {
	token := r.Form.Get("token")
	v, _, err := a.verifiable(r.Context(), token)
	if err != nil {
		return err
	}
	p, err := a.session.users.Get(r.Context(), v.User)
	switch {
	case errors.Is(err, ErrNoUser):
		return errVerify
	case err != nil:
		return unavailableUsers("Users.Get", err)
	}
	text := "Your address becomes one of an account at {app}, by which you sign in and reset the password."
	args := map[string]any{"app": a.name}
	if first, ok := p.Email(); ok { // somebody uses the account already
		other, _ := mailaddr.Parse(first)
		text = "Your address becomes one of an account at {app}, by which you sign in and reset the password.\n\n" +
			"The account belongs to {other}. Confirm it only if that is you: who uses it now can see what you do there."
		args["other"] = other.Mask()
	}
	a.show(w, r, Page{Name: "postern.confirm-address", Title: "Confirm your address?", Text: text, Args: args,
		Forms: []Form{{Action: a.issuer + "/account/confirm", Hidden: map[string]string{"token": token}, Submit: "Confirm"}}})
	return nil
}

func (a *Auth) postConfirm(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	changer, ok := a.session.users.(AddressChanger)
	if !ok {
		return errNotFound()
	}
	token := r.PostForm.Get("token")
	v, _, err := a.verifiable(ctx, token)
	if err != nil {
		return err
	}
	before, err := a.snapshot(ctx, v.User)
	if err != nil {
		return err
	}
	err = changer.ChangeAddress(ctx, v.User, AddressChange{New: v.Address, Offered: a.offered(), Also: func(sec int64) ([]store.Change, error) {
		if sec != v.Sec {
			return nil, errVerify
		}
		_, used, err := a.verifiable(ctx, token) // again, after the head was read for this write
		return []store.Change{used}, err
	}})
	switch {
	case errors.Is(err, ErrNoUser):
		return errVerify
	case errors.Is(err, ErrTaken):
		return errAddressTaken()
	case err != nil:
		return unavailableUsers("Users.ChangeAddress", err)
	}
	a.emitOf(ctx, Event{Name: "address confirmed", UserID: v.User, Provider: flowAdmin, Actor: v.By})
	n := noticeAdded
	n.before = before
	a.notifyOf(ctx, v.User, n)
	a.show(w, r, Page{Name: "postern.address-confirmed", Title: "Your address is confirmed",
		Text:  "Sign in with it now. If you have no password yet, choose one by \"I forgot my password\".",
		Links: []Link{{Name: "sign-in", Text: "Sign in", URL: a.issuer + "/authorize"}}})
	return nil
}
