package users

import (
	"cmp"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/session"
)

// A ring keeps its keys for a while, so there is a limit for all administrators together.
const (
	rotationsEvery = 24 * time.Hour
	rotations      = 3
)

// history shows the events of the account of a user.
func (c *adminCall) history() error {
	if c.flow.Pool() != c.dir.pool {
		return errElsewhere
	}
	if _, err := c.dir.User(c.r.Context(), c.target); err != nil {
		return err
	}
	events, err := c.flow.History(c.r.Context(), c.target)
	if err != nil {
		return err
	}
	c.flow.JSON(c.w, c.r, http.StatusOK, map[string]any{"events": events})
	return nil
}

// testMail mails the administrator: the mail that the body names, in a language, or a mail that says that it arrives.
func (c *adminCall) testMail() error {
	var body struct {
		Mail     string `json:"mail"`
		Language string `json:"language"`
	}
	if c.r.ContentLength != 0 {
		if err := c.flow.ReadJSON(c.w, c.r, &body); err != nil {
			return err
		}
	}
	m, ok := c.sample(cmp.Or(body.Mail, testMail))
	switch {
	case !ok:
		return &postern.Error{Status: http.StatusBadRequest, Code: "invalid_request", Text: "There is no such mail."}
	case body.Language != "" && !slices.Contains(c.flow.MailLanguages(), body.Language):
		return &postern.Error{Status: http.StatusBadRequest, Code: "invalid_request", Text: "Mails are not written in that language here."}
	}
	m.Mail.Language = body.Language
	if err := c.flow.TestMail(c.r.Context(), c.actor, m.Mail); err != nil {
		return err
	}
	c.done("test mail sent", m.key)
	return nil
}

// rotateKeys adds a key to the issuer that serves the administration.
func (c *adminCall) rotateKeys() error {
	if err := c.flow.LimitUser(c.r.Context(), "admin rotation", "", rotationsEvery, rotations); err != nil {
		return err
	}
	switch err := c.flow.Sessions().RotateKeys(c.r.Context()); {
	case errors.Is(err, session.ErrNoSigner):
		return &postern.Error{Status: http.StatusConflict, Code: "no_rotation", Text: "The keys of this program cannot be rotated here."}
	case err != nil:
		return err
	}
	c.done("keys rotated", "")
	return nil
}
