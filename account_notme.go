package postern

import (
	"context"
	"crypto/rand"
	"errors"
	"net/url"
	"slices"

	"github.com/posternauth/postern/internal/head"
	"github.com/posternauth/postern/store"
)

// A notice about the security of an account has a link "This was not me". It does what the undo of a changed address
// does: all sessions end, and the account is frozen to what was there before the event. The mailboxes of then still
// sign in and reset the password: who reads the notice reads them anyway, and the owner needs them.
//
// The link goes to the mailboxes alone that the account had before each event of the last seven days. So an address
// that a thief has added cannot stop what the owner does about it.

// A snapshot is what a user has at one time: names of ways to sign in, of which none is refused by a freeze.
type snapshot struct {
	ways  []string // without mailboxes
	mails []string
}

// snapshot is taken before something happens, for the notice about it. It is nil where nobody gets notices.
func (a *Auth) snapshot(ctx context.Context, userID string) (*snapshot, error) {
	if a.mail == nil {
		return nil, nil
	}
	p, err := a.session.users.Get(ctx, userID)
	if err != nil {
		return nil, unavailableUsers("Users.Get", err)
	}
	return a.snapshotOf(ctx, p)
}

func (a *Auth) snapshotOf(ctx context.Context, p Person) (*snapshot, error) {
	h, err := head.Get(ctx, a.store, a.session.pool, p.ID)
	if err != nil {
		return nil, unavailable(err)
	}
	s, f := &snapshot{}, freezeRow{}
	if h.Frozen {
		if f, _, err = a.readFreeze(ctx, p.ID); err != nil {
			return nil, err
		}
	}
	if s.ways, err = a.waysNow(ctx, p.ID); err != nil {
		return nil, err
	}
	for _, address := range p.Addresses {
		if address.Type == "email" && address.Verified {
			s.mails = append(s.mails, wayOfMail(address.Value))
		}
	}
	s.ways, s.mails = slices.DeleteFunc(s.ways, f.denies), slices.DeleteFunc(s.mails, f.denies)
	return s, nil
}

// maxNotMe is how many notices of a user have a further point in time. The links of further ones go back to that
// of the last, so a thief cannot push out the older ones.
const maxNotMe = 20

// keepNotMe keeps what was there before an event, and returns the link of the notice and the addresses that get it.
func (a *Auth) keepNotMe(ctx context.Context, p Person, n notice) (link string, to []string, err error) {
	s := n.before
	if s == nil {
		if s, err = a.snapshotOf(ctx, p); err != nil {
			return "", nil, err
		}
		s.ways = slices.DeleteFunc(s.ways, func(way string) bool { return slices.Contains(n.fresh, way) })
	}
	token := rand.Text() + rand.Text() // 260 bits
	hash := head.Hash("undo", token)
	for range 5 {
		row, h, err := a.readUndo(ctx, p.ID)
		switch {
		case err != nil:
			return "", nil, err
		case h.Gone == head.Deleted:
			return "", nil, nil
		}
		to = nil
		for _, address := range p.Addresses {
			if verifiedMail(p, address.Value) && slices.Contains(s.mails, wayOfMail(address.Value)) && row.had(address.Value) {
				to = append(to, address.Value)
			}
		}
		row.keep(undo{Hash: hash, Notice: n.name, Sec: h.Sec, Ways: s.ways, Mails: s.mails, Until: a.sessions.Now().Add(undoLife).UTC()})
		put, err := a.putUndo(ctx, row)
		if err != nil {
			return "", nil, err
		}
		switch err := a.store.Write(ctx, put); {
		case err == nil:
			return a.issuer + "/account/undo?" + url.Values{"user": {p.ID}, "token": {token}}.Encode(), to, nil
		case !errors.Is(err, store.ErrConflict):
			return "", nil, unavailable(err)
		}
	}
	return "", nil, unavailable(errors.New("postern: too many requests write the same user at once"))
}

// had reports whether an address belonged to the user before each of the events.
func (r *undoRow) had(address string) bool {
	return !slices.ContainsFunc(r.Undos, func(u undo) bool {
		return u.Notice == "" && u.New == address || u.Notice != "" && !slices.Contains(u.Mails, wayOfMail(address))
	})
}

// keep adds an event to those that can be undone.
func (r *undoRow) keep(u undo) {
	last, count := -1, 0
	for i, other := range r.Undos {
		if other.Notice != "" {
			last, count = i, count+1
		}
	}
	if count < maxNotMe {
		r.Undos = append(r.Undos, u)
		return
	}
	old := &r.Undos[last]
	old.More = append(old.More, u.Hash)
	old.More = old.More[max(0, len(old.More)-maxNotMe):]
	old.Until = u.Until
	old.Mails = slices.DeleteFunc(old.Mails, func(way string) bool { return !slices.Contains(u.Mails, way) })
}

// notMePage asks whether to stop what a notice is about.
func (a *Auth) notMePage(user, token string) Page {
	return Page{Name: "postern.not-me", Title: "Was it not you?",
		Text: "All sessions of your account end. Then only the ways to sign in work that were there before.\n\n" +
			"If you got several of these mails, use the oldest one about something that you did not do.\n\n" +
			"If it was you, close this page: nothing has changed.",
		Forms: []Form{{Action: a.issuer + "/account/undo", Hidden: map[string]string{"user": user, "token": token}, Danger: true, Submit: "This was not me"}}}
}

// stoppedPage says what the person does after the link of a notice.
func (a *Auth) stoppedPage() Page {
	return Page{Name: "postern.stopped", Title: "Everybody is signed out",
		Text: "All sessions of your account have ended, and ways to sign in that came later do not work.\n\n" +
			"Sign in with a way from before. If your password was changed, choose a new one by \"I forgot my password\", with an address from before. " +
			"Then look at what your account has: remove what is not yours.\n\n" +
			"If a second step is asked for that is not yours, write to the people who run this site.",
		Links: []Link{{Name: "sign-in", Text: "Sign in", URL: a.issuer + "/authorize"}}}
}
