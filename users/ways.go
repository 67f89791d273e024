package users

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

// removed finishes the draft of a user who has lost a way to sign in. It refuses the last one.
func (d *Directory) removed(dr *draft, x Extra) error {
	w := d.ways
	if x.Ways != nil {
		w = x.Ways
	}
	if dr.left(w) == 0 {
		return ErrLastWay
	}
	dr.head = dr.head.Moved()
	return nil
}
