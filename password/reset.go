package password

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/words"
	"github.com/posternauth/postern/store"
)

const conflicts = 5 // how often a lost compare-and-set of one request is tried again

// showReset is the page that a link opens. It uses up nothing: programs that scan mail open links. A link that works no
// more says so before anybody chooses a password.
func (h *handler) showReset(w http.ResponseWriter, r *http.Request) {
	if h.dead(r) {
		h.flow.Fail(w, r, errLink)
		return
	}
	h.flow.Page(w, r, h.resetPage(r))
}

// dead reports whether the link of a request can set no password. A store that fails knows nothing of it, and one whose
// password is written may have something to finish, see resume.
func (h *handler) dead(r *http.Request) bool {
	t, err := h.readToken(r.Context(), r.Form.Get("token"))
	if err != nil {
		return errors.Is(err, errLink)
	}
	s, b, err := h.slotOf(r.Context(), t)
	if err == nil && b.Used != "" {
		return b.Done || h.now().UnixMilli() >= b.Until
	}
	if err == nil {
		err = h.alive(r.Context(), t, s, b)
	}
	return errors.Is(err, errLink)
}

// resetPage has the address of the account, if the link is one that we mailed. A store that fails leaves it out.
func (h *handler) resetPage(r *http.Request) postern.Page {
	text, name := cmp.Or(r.PostForm.Get("token"), r.Form.Get("token")), ""
	if t, err := h.readToken(r.Context(), text); err == nil {
		if s, b, err := h.slotOf(r.Context(), t); err == nil && h.alive(r.Context(), t, s, b) == nil {
			name = b.Address
		}
	}
	return postern.Page{
		Name: "password.new", Title: "Choose a new password", Text: "Everybody who is signed in to your account will be signed out.",
		Forms: []postern.Form{{Action: h.flow.URL("reset"), Hidden: map[string]string{"token": text}, Username: name, Submit: "Set the password", Args: h.newArgs(), Fields: []postern.Field{h.newField()}}},
	}
}

// reset sets a password by a mailed link, and ends all sessions. It signs nobody in.
func (h *handler) reset(w http.ResponseWriter, r *http.Request) {
	if err := h.flow.Fields(r, "token", "password"); err != nil {
		h.flow.Fail(w, r, err)
		return
	}
	if err := h.flow.LimitAddr(r, "password reset", newPasswordsEvery, newPasswords); err != nil {
		h.flow.Fail(w, r, err)
		return
	}
	t, err := h.readToken(r.Context(), r.PostForm.Get("token"))
	if err == nil {
		err = h.redeem(r, t, r.PostForm.Get("password"))
	}
	switch {
	case errors.Is(err, errLink):
		h.flow.Fail(w, r, err)
	case err != nil:
		h.again(w, r, h.resetPage(r), general(err))
	default:
		h.flow.LeadOn(w, h.flow.URL("authorize?done=reset"))
	}
}

// redeem sets the password, once for a link, and then ends what was signed in. The policy and the hash come before
// anything is used up. If the request ends between the two, the same link and password finish the second.
func (h *handler) redeem(r *http.Request, t token, password string) error {
	ctx := r.Context()
	var fresh row
	for range conflicts {
		s, b, err := h.slotOf(ctx, t)
		if err != nil {
			return err
		}
		if b.Used != "" {
			return h.resume(r, t, s, b, password)
		}
		if err := h.alive(ctx, t, s, b); err != nil {
			return err
		}
		if fresh.Hash == "" {
			if fresh, err = h.freshFor(r, password, h.about(ctx, t.User)...); err != nil {
				return err
			}
		}
		b.Used = rand.Text()
		err = h.write(ctx, s, fresh, s.head.Moved(), b.put(s.more[t.Slot]))
		if errors.Is(err, store.ErrConflict) {
			continue
		}
		if err != nil {
			return err
		}
		h.forgive(ctx, s)
		return h.finish(r, t)
	}
	return errLink // others were faster each time
}

// finish reports a reset whose password is written, and ends what was signed in before. A reset that was cut off here
// is reported again by the request that finishes it.
func (h *handler) finish(r *http.Request, t token) error {
	h.flow.Emit(r.Context(), r, postern.Event{Name: "password reset", UserID: t.User})
	h.notice(r.Context(), t.User, noticeReset())
	return h.end(r.Context(), t)
}

// slotOf reads the user and the slot of a link. The error is errLink if the link is not that of the slot.
func (h *handler) slotOf(ctx context.Context, t token) (*state, slot, error) {
	s, err := h.load(ctx, t.User, "", t.Slot)
	if err != nil {
		return nil, slot{}, err
	}
	b, err := readSlot(s.more[t.Slot])
	if err == nil {
		err = h.opens(ctx, t, b)
	}
	return s, b, err
}

// alive checks that a link may still set the password: its time, the security of the user, and that the address still
// belongs to the user.
func (h *handler) alive(ctx context.Context, t token, s *state, b slot) error {
	if h.now().UnixMilli() >= b.Until || b.Sec != s.head.Sec || s.head.Gone != "" {
		return errLink
	}
	user, err := h.find(ctx, postern.Identity{Issuer: postern.MailIssuer, Subject: b.Address})
	if err == nil && user != t.User {
		return errLink
	}
	return err
}

// resume finishes a reset whose password is written: only with the same password, and only until what was signed in has
// ended.
func (h *handler) resume(r *http.Request, t token, s *state, b slot, password string) error {
	if b.Done || h.now().UnixMilli() >= b.Until || !s.has() {
		return errLink
	}
	found, err := h.hasher.Verify(r.Context(), s.row.Hash, password)
	if err != nil || !found.OK {
		return errLink
	}
	return h.finish(r, t)
}

// end ends what was signed in before a reset, and then marks the slot, so that the link can do nothing more.
func (h *handler) end(ctx context.Context, t token) error {
	if err := h.flow.EndUser(ctx, t.User); err != nil {
		return fmt.Errorf("password: ending the sessions of a user: %w", err)
	}
	if s, b, err := h.slotOf(ctx, t); err == nil {
		b.Done = true
		_ = h.store.Write(ctx, b.put(s.more[t.Slot])) // best effort: ending it again does no harm
	}
	return nil
}

// about is what is known of a user, for the policy. Best effort.
func (h *handler) about(ctx context.Context, user string) []string {
	p, err := h.flow.Users().Get(ctx, user)
	if err != nil {
		return nil
	}
	return known(p)
}

func known(p postern.Person) []string {
	list := []string{p.Name, p.Username}
	for _, a := range p.Addresses {
		list = append(list, a.Value)
	}
	return list
}

// notice mails what happened to every verified address, with the other ways in, which stay.
func (h *handler) notice(ctx context.Context, user string, n postern.Notice) {
	n.Args = map[string]any{}
	others := ""
	if p, err := h.flow.Users().Get(ctx, user); err == nil {
		if ways, err := h.flow.WaysIn(ctx, p); err == nil && len(ways) > 0 {
			n.Args["ways"] = ways
			others = othersText
		}
	}
	n.Text = words.Paragraphs(n.Text, others)
	n.Credentials, _ = h.Credentials(ctx, user) // a store that fails now keeps no link either
	h.flow.Notify(ctx, user, n)
}
