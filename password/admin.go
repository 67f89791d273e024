package password

import (
	"context"
	"errors"
	"net/http"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/store"
)

var _ postern.PasswordAdmin = (*handler)(nil)

// MailReset mails a user the link of a reset on behalf of an administrator. It counts towards the mails of the address.
func (h *handler) MailReset(r *http.Request, userID string) (sent bool, err error) {
	ctx := r.Context()
	p, err := h.flow.Users().Get(ctx, userID)
	if err != nil && !errors.Is(err, postern.ErrNoUser) {
		return false, general(err)
	}
	address, ok := p.Email()
	if !ok || !h.flow.MailReady() {
		return false, nil
	}
	id := postern.Identity{Issuer: postern.MailIssuer, Subject: address}
	if err := h.flow.LimitIdentifier(ctx, "password mail", id, mailsEvery, mailsPerName); err != nil {
		return false, err
	}
	m, err := h.lost(ctx, userID, id, true)
	if err != nil {
		return false, general(err)
	}
	if m.To == "" || m.Args["link"] == nil {
		return false, nil
	}
	if err := h.flow.Mail(ctx, h.adminMail(m)); err != nil {
		return false, general(err)
	}
	return true, nil
}

// adminMail writes the texts of a reset that an administrator asks for.
func (h *handler) adminMail(m postern.Mail) postern.Mail {
	m.Args["app"], m.Args["life"], m.Args["time"] = h.flow.AppName(), resetLife, h.now().UTC()
	m.Name += "-by-admin"
	m.Subject = "Your password for {app}"
	m.Parts = []postern.MailPart{
		{Text: "The people who run {app} ask you to choose a new password."},
		{Text: "Choose a new password", Link: m.Arg("link")},
		{Text: "The link works once, for {life}. Later, get another one by \"I forgot my password\" on the page where you sign in. " +
			"Everybody who is signed in to your account is signed out by the change."},
	}
	return m
}

// Removal returns the change that removes the password of a user.
func (h *handler) Removal(ctx context.Context, userID string) ([]store.Change, error) {
	s, err := h.load(ctx, userID, "")
	if err != nil || !s.has() {
		return nil, err
	}
	return []store.Change{store.Delete(s.item.Key, s.item.Version)}, nil
}

// Imported is [Row] for the pool of the handler.
func (h *handler) Imported(userID, encoded string) (store.Change, error) {
	change, err := Row(h.pool, userID, encoded)
	if err != nil {
		return change, refusal("invalid_hash", "This is not a hash of a password that can be imported.", err)
	}
	return change, nil
}
