package users

import (
	"net/http"

	"github.com/posternauth/postern"
)

// errPasskeysAlone is ErrLastWay for a user who would have passkeys, and nothing else.
var errPasskeysAlone error = &lastName{answer{"users: nothing but passkeys would be left", postern.Error{Status: http.StatusConflict, Code: "last_way",
	Text: "Beside passkeys, an account keeps a mail address, a username or an account at another site. Please add another one first."}}}

type lastName struct{ answer }

func (*lastName) Unwrap() error { return ErrLastWay }

// left counts the ways to sign in that a user has and the program offers. A password needs a name or an address, by
// which the user is found.
func (dr *draft) left(w *Ways) int {
	n := 0
	h := dr.head.Ways
	dr.rec.ways(&h)
	count := func(offered bool, have int) {
		if offered {
			n += have
		}
	}
	count((w == nil || w.Password) && h.Usernames+h.Addresses > 0, h.Passwords)
	count(w == nil || w.Passkey, h.Passkeys)
	count(w == nil || w.Mail, h.Addresses)
	for _, i := range dr.rec.Identities {
		count(w == nil || w.Issuer != nil && w.Issuer(i.Issuer) || w.provider != nil && w.provider(i.Provider), 1)
	}
	return n
}

// named reports whether a user has a verified address, a username or an identity. A passkey alone is not enough: no
// notice would reach its owner, and nobody could help after it is lost.
func (dr *draft) named() bool {
	h := dr.head.Ways
	dr.rec.ways(&h)
	return h.Usernames+h.Addresses > 0 || len(dr.rec.Identities) > 0
}

// removed finishes the draft of a user who has lost a way to sign in. It refuses the last one.
func (d *Directory) removed(dr *draft, x Extra) error {
	w := d.ways
	if x.Ways != nil {
		w = x.Ways
	}
	switch {
	case dr.left(w) == 0:
		return ErrLastWay
	case !dr.named():
		return errPasskeysAlone
	}
	dr.head = dr.head.Moved()
	return nil
}
