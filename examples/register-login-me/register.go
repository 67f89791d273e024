package main

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/password/hash"
	"github.com/posternauth/postern/store"
)

const codeLife = 15 * time.Minute

// register makes an account in two equal requests. The first one has no code: the answer is the same for every address,
// and a code is mailed to an address without an account. The second one has the code.
//
// Nothing of the first request is kept except the code. So nobody can prepare an account for the address of somebody
// else, with a password that the owner of the address does not know: name and password come with the code.
func (a *app) register(f *postern.Flow, w http.ResponseWriter, r *http.Request) error {
	name, typed := strings.TrimSpace(r.PostForm.Get("name")), r.PostForm.Get("password")
	address := strings.ToLower(strings.TrimSpace(r.PostForm.Get("email")))
	if name == "" || address == "" || typed == "" {
		return refuse(http.StatusBadRequest, "missing_field", "Please send name, email and password.")
	}
	if err := a.rules.Check(typed, name, address); err != nil {
		return refusal(err)
	}
	id := postern.Identity{Issuer: postern.MailIssuer, Subject: address}
	if code := r.PostForm.Get("code"); code != "" {
		userID, err := a.create(r.Context(), f, r, id, name, typed, code)
		if err != nil {
			return err
		}
		return a.signIn(f, w, r, userID)
	}
	if err := f.LimitAddr(r, "register", time.Hour, 20); err != nil {
		return err
	}
	if err := f.LimitIdentifier(r.Context(), "members register", id, time.Hour, 5); err != nil {
		return err
	}
	if err := a.mailCode(r.Context(), f, id); err != nil {
		return err
	}
	answer(w, http.StatusAccepted, map[string]any{"auth": false, "message": "Check your mail, and send the same again with the code of the mail as \"code\"."})
	return nil
}

// mailCode does the same work for an address with an account and for one without.
func (a *app) mailCode(ctx context.Context, f *postern.Flow, id postern.Identity) error {
	_, err := a.users.Find(ctx, id)
	if err != nil && !errors.Is(err, postern.ErrNoUser) {
		return refusal(err)
	}
	known := err == nil
	code := rand.Text() // 130 bits: it cannot be guessed
	row := store.Item{Key: codeKey(id, code), Expires: f.Sessions().Now().Add(codeLife)}
	if err := a.store.Write(ctx, store.Put(row)); err != nil {
		return refusal(err)
	}
	m := postern.Mail{
		To: id.Subject, Name: "members.code", Args: map[string]any{"code": code}, Subject: "Your code for " + f.AppName(),
		Text: "Somebody wants to create an account at " + f.AppName() + " with this address. If it was you, send this code along:\n\n" + code +
			"\n\nIt works for 15 minutes. If it was not you, ignore this mail, and give the code to nobody.\n",
	}
	if known {
		m = postern.Mail{
			To: id.Subject, Name: "members.have-account", Subject: "You have an account at " + f.AppName(),
			Text: "Somebody wants to create an account at " + f.AppName() + " with this address. You have one: log in. If it was not you, ignore this mail.\n",
		}
	}
	var refused *postern.Error
	if err = f.Mail(ctx, m); err != nil && !errors.As(err, &refused) {
		return refuse(http.StatusBadRequest, "invalid_address", "Please send one mail address, such as ada@example.com.")
	}
	return err
}

// codeKey is the key of the row of a code. It names the address, so a code works for the address that it was mailed to.
func codeKey(id postern.Identity, code string) store.Key {
	return store.Key{Part: "members code:" + id.Key(), ID: postern.Identity{Issuer: "code", Subject: code}.Key()}
}

// create makes the user, the password and the verified address in one write, which also marks the code as used. Of many
// such requests at the same moment one succeeds: two users with one address cannot be written.
func (a *app) create(ctx context.Context, f *postern.Flow, r *http.Request, id postern.Identity, name, typed, code string) (string, error) {
	items, err := a.store.Get(ctx, codeKey(id, code))
	switch {
	case err != nil:
		return "", refusal(err)
	case len(items) == 0:
		return "", refuse(http.StatusBadRequest, "wrong_code", "This code is wrong or too old. Please register again without a code.")
	case len(items[0].Value) > 0:
		return "", errTaken
	}
	password, err := a.hashed(hash.WithShare(ctx, f.Addr(r).String()), typed)
	if err != nil {
		return "", err
	}
	used := items[0]
	used.Value = []byte("used")
	sign := postern.SignUp{Identity: id, Name: name, Passwords: 1}
	if id.Subject == a.admin {
		sign.Roles = []string{"admin"}
	}
	userID, err := a.users.CreateWith(ctx, sign, func(userID string) []store.Change {
		return append(password(userID), store.Put(used))
	})
	if errors.Is(err, postern.ErrTaken) || errors.Is(err, store.ErrConflict) { // may be said: the sender has the code
		return "", errTaken
	}
	return userID, refusal(err)
}

var errTaken = refuse(http.StatusConflict, "address_taken", "There is an account with this address. Please log in.")
