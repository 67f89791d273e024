package postern_test

import (
	"context"
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/posternauth/postern/store"
)

// atWrite calls f before the n-th Write, once.
type atWrite struct {
	store.Store
	n int
	f func()
}

func (s *atWrite) Write(ctx context.Context, changes ...store.Change) error {
	if s.n--; s.n == 0 {
		s.f()
	}
	return s.Store.Write(ctx, changes...)
}

// TestS11_SignOutDuringAStepUp: a sign-out, before any write of a step-up, ends the session; the step-up brings none
// back.
func TestS11_SignOutDuringAStepUp(t *testing.T) {
	for n := 1; ; n++ {
		h := newFort(t)
		b := h.enrolled(h.who, "chip", "sesame")
		to := b.get(issuer + "/step-up/chip?redirect_uri=/welcome").Header().Get("Location")
		_, state, _ := strings.Cut(to, "?state=")
		owner := h.browser() // another tab, with the same cookies
		owner.Cookies = maps.Clone(b.Cookies)
		out := false
		plain := h.store.Store
		h.store.Store = &atWrite{Store: plain, n: n, f: func() {
			h.store.Store = plain
			out = owner.json("POST", "/signout", "").Code < 400
		}}
		w := b.answer("chip", state, "sesame")
		if h.store.Store = plain; !out {
			if n < 4 {
				t.Fatalf("%d writes, of a step-up that counts, marks and replaces", n-1)
			}
			want(t, w, http.StatusSeeOther, "")
			return
		}
		replaced := strings.Contains(w.Header().Get("Location"), "/continue")
		if alive := b.json("GET", "/account", "").Code == http.StatusOK; alive != replaced || !replaced && w.Code != http.StatusForbidden && w.Code != http.StatusUnauthorized {
			t.Errorf("before write %d: %d to %q, and the session lives: %t", n, w.Code, w.Header().Get("Location"), alive)
		}
	}
}

// TestA10_AnEventDuringASignIn: the security of the account changes before any write of a sign-in. No session of before
// the event lives, and the answer is a refusal that people can read.
func TestA10_AnEventDuringASignIn(t *testing.T) {
	for n := 1; ; n++ {
		h := newFort(t)
		id := h.idOf(h.enrolled(h.who, "chip", "sesame"))
		b := h.browser()
		state := h.waiting(b, h.who)
		moved := false
		plain := h.store.Store
		h.store.Store = &atWrite{Store: plain, n: n, f: func() {
			h.store.Store = plain
			h.moveSec(id)
			moved = true
		}}
		w := b.answer("chip", state, "sesame")
		if h.store.Store = plain; !moved {
			if n < 4 {
				t.Fatalf("%d writes", n-1)
			}
			return
		}
		if w.Code >= 500 {
			t.Errorf("before write %d: %d %s", n, w.Code, w.Body)
		}
		if alive := b.json("GET", "/account", "").Code == http.StatusOK; alive {
			t.Errorf("before write %d: the session lives; %d to %q", n, w.Code, w.Header().Get("Location"))
		}
	}
}

// TestA10_AnEventDuringAnAccountDeed: the same for the end of all other sessions.
func TestA10_AnEventDuringAnAccountDeed(t *testing.T) {
	h := newFort(t)
	b := h.fresh(h.who)
	id := h.idOf(b)
	h.fresh(h.who)
	plain := h.store.Store
	h.store.Store = &atWrite{Store: plain, n: 1, f: func() {
		h.store.Store = plain
		h.moveSec(id)
	}}
	answered(t, b.json("DELETE", "/account/sessions", ""), http.StatusUnauthorized, "not_signed_in")
}
