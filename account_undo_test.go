package postern_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/head"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

// broken runs do with a store whose n-th call fails, and reports whether a call failed.
func (h *home) broken(n int, do func() *httptest.ResponseRecorder) (w *httptest.ResponseRecorder, failed bool) {
	failing := &failsOnce{Store: h.store.Store, at: n}
	inner := h.store.Store
	h.store.Store = failing
	defer func() { h.store.Store = inner }()
	w = do()
	return w, failing.at < 0
}

// eachBroken does a deed again and again in a new home, whose n-th call fails in the n-th try. The answer is 503 or a
// success; after either, the same request again, and then check.
func eachBroken(t *testing.T, begin func(h *home) (do func() *httptest.ResponseRecorder, check func(what string, n int))) {
	t.Helper()
	for n := range 80 {
		h := newHome(t)
		do, check := begin(h)
		w, failed := h.broken(n, do)
		if w.Code != http.StatusServiceUnavailable && w.Code >= 300 {
			t.Errorf("call %d failed: %d %s", n, w.Code, w.Body)
		}
		if w.Code == http.StatusServiceUnavailable {
			w = do()
			if w.Code >= 300 {
				t.Errorf("call %d failed, and then again: %d %s", n, w.Code, w.Body)
			}
		}
		check(w.Body.String(), n)
		if !failed {
			if n < 5 {
				t.Errorf("%d calls of the store: the failure is not where it should be", n)
			}
			return
		}
	}
	t.Fatal("no end of calls")
}

// The code of a new address is used up in the write of the address: whichever call of the store fails, the same code
// works until the address is there.
func TestAccount_ConfirmStoreFails(t *testing.T) {
	eachBroken(t, func(h *home) (func() *httptest.ResponseRecorder, func(string, int)) {
		b := h.fresh(h.who)
		answered(t, b.json("POST", "/account/addresses", `{"address":"new@example.com"}`), http.StatusAccepted, "")
		code := `{"code":"` + h.code("new@example.com") + `"}`
		return func() *httptest.ResponseRecorder { return b.json("POST", "/account/addresses/confirm", code) }, func(_ string, n int) {
			if u := h.userID(mailbox("new@example.com")); u != h.idOf(b) {
				t.Errorf("call %d: the address belongs to %q", n, u)
			}
			b.json("POST", "/account/addresses", `{"address":"third@example.com"}`)
			answered(t, b.json("POST", "/account/addresses/confirm", code), http.StatusBadRequest, "wrong_code")
		}
	})
}

// A link that stops a change, or undoes it, finishes what an earlier request with it began.
func TestA6_StopStoreFails(t *testing.T) {
	eachBroken(t, func(h *home) (func() *httptest.ResponseRecorder, func(string, int)) {
		b := h.fresh(h.who)
		answered(t, b.json("POST", "/account/addresses", `{"address":"thief@example.com"}`), http.StatusAccepted, "")
		u, code := h.lastLink("postern.address-change"), h.code("thief@example.com")
		return func() *httptest.ResponseRecorder { return h.browser().post(issuer+"/account/stop", u.Query()) }, func(_ string, n int) {
			answered(t, b.json("GET", "/account", ""), http.StatusUnauthorized, "not_signed_in")
			again := h.fresh(at("ada", "ada@example.com", true))
			if w := again.json("POST", "/account/addresses/confirm", `{"code":"`+code+`"}`); w.Code != http.StatusBadRequest {
				t.Errorf("call %d: %d %s", n, w.Code, w.Body)
			}
			if _, err := h.dir.Find(t.Context(), mailbox("thief@example.com")); err == nil {
				t.Errorf("call %d: the address was added", n)
			}
		}
	})
}

func TestA14_UndoStoreFails(t *testing.T) {
	for _, mailOnly := range []bool{false, true} {
		eachBroken(t, func(h *home) (func() *httptest.ResponseRecorder, func(string, int)) {
			b, way := h.browser(), at("ada", "ada@example.com", true)
			if mailOnly {
				way = mailbox("ada@example.com")
				h.signIn(b, way)
				page := b.get(issuer + "/step-up/code")
				want(t, b.post(issuer+"/step-up/code", url.Values{"state": {state(t, page)}, "code": {h.code("ada@example.com")}}), http.StatusSeeOther, "")
			} else {
				b = h.fresh(way)
			}
			id := h.addressID(b, "ada@example.com")
			answered(t, b.json("POST", "/account/addresses", `{"address":"thief@example.com","replace":"`+id+`"}`), http.StatusAccepted, "")
			answered(t, b.json("POST", "/account/addresses/confirm", `{"code":"`+h.code("thief@example.com")+`"}`), http.StatusNoContent, "")
			user, u := h.idOf(b), h.lastLink("postern.address-undo")
			return func() *httptest.ResponseRecorder { return h.browser().post(issuer+"/account/undo", u.Query()) }, func(_ string, n int) {
				answered(t, b.json("GET", "/account", ""), http.StatusUnauthorized, "not_signed_in")
				if w := h.signIn(h.browser(), mailbox("thief@example.com")); w.Code == http.StatusSeeOther && h.userID(mailbox("thief@example.com")) == user {
					t.Errorf("call %d: the thief is in: %d %s", n, w.Code, w.Body)
				}
				owner := h.browser()
				h.signIn(owner, way)
				if got := h.idOf(owner); got != user {
					t.Errorf("call %d: the owner is %q", n, got)
				}
			}
		})
	}
}

// The link of a notice finishes what an earlier request with it began, whichever call of the store fails.
func TestNotMe_StoreFails(t *testing.T) {
	eachBroken(t, func(h *home) (func() *httptest.ResponseRecorder, func(string, int)) {
		who := h.who
		b := h.fresh(who)
		h.link(b, at("other", "", false))
		user, u := h.idOf(b), h.lastLink("postern.identity-linked")
		return func() *httptest.ResponseRecorder { return h.browser().post(issuer+"/account/undo", u.Query()) }, func(_ string, n int) {
			answered(t, b.json("GET", "/account", ""), http.StatusUnauthorized, "not_signed_in")
			owner := h.browser()
			h.signIn(owner, who)
			if got := h.idOf(owner); got != user {
				t.Errorf("call %d: the owner is %q", n, got)
			}
			if got := decoded[map[string]any](t, owner.json("GET", "/account", ""))["frozen"]; got != true {
				t.Errorf("call %d: frozen is %v", n, got)
			}
		}
	})
}

// The history is bounded, also where nobody looks at it: rows beyond the newest 200 go, and a row ends after 90 days.
func TestAccount_HistoryIsBounded(t *testing.T) {
	h := newHome(t)
	b := h.fresh(h.who)
	user := h.idOf(b)
	for range 1000 {
		h.Advance(time.Millisecond)
		answered(t, b.json("PATCH", "/account", `{"name":"x"}`), http.StatusOK, "")
	}
	rows := func() (n int) {
		for after := "ev:"; ; {
			items, next, err := h.store.List(t.Context(), head.Part(h.dir.Pool(), user), after, 100)
			if err != nil {
				t.Fatal(err)
			}
			for _, item := range items {
				if item.Key.ID < "ev;" {
					n++
					if left := item.Expires.Sub(h.Now()); left <= 0 || left > 90*24*time.Hour {
						t.Errorf("a row lives for %v", left)
					}
				}
			}
			if after = next; next == "" {
				return n
			}
		}
	}
	if n := rows(); n > 500 { // about one event of 16 removes what is too much
		t.Errorf("%d rows after 1,000 events", n)
	}
	events := decoded[struct{ Events []any }](t, b.json("GET", "/account/history", "")).Events
	if len(events) != 200 {
		t.Errorf("%d events are shown", len(events))
	}
	if n := rows(); n != 200 {
		t.Errorf("%d rows after a look", n)
	}
	h.Advance(91 * 24 * time.Hour)
	if n := rows(); n != 0 {
		t.Errorf("%d rows after 91 days", n)
	}
}

// keptChip is a chip that names its credential.
type keptChip struct{ chip }

type keptHandler struct {
	chipHandler
	f *postern.Flow
}

func (k keptChip) Handler(f *postern.Flow) http.Handler {
	return keptHandler{k.chip.Handler(f).(chipHandler), f}
}

func (k keptHandler) Credentials(ctx context.Context, userID string) ([]string, error) {
	items, err := k.f.Store().Get(ctx, store.Key{Part: k.f.Part(userID), ID: "factor:" + k.f.Name()})
	if err != nil || len(items) == 0 {
		return nil, err
	}
	var row chipRow
	err = json.Unmarshal(items[0].Value, &row)
	return []string{row.Word}, err
}

// A frozen account with a mailbox and a factor: any mailbox with the factor from before the change signs in, and no
// mailbox alone. A factor that came with the change is refused, and with it none is begun while a sign-in waits.
func TestA14_UndoWithAFactor(t *testing.T) {
	frozen := func(need *postern.Requirement, thief func(b *browser)) (h *home, user string) {
		h = newHome(t, func(h *home, c *postern.Config) {
			c.Factors = map[string]postern.Provider{"chip": keptChip{}, "more": keptChip{}, "third": keptChip{}}
			c.RequireFactor = func(context.Context, postern.Person, session.Authentication) (postern.Requirement, error) {
				return *need, nil
			}
		})
		b := h.browser()
		h.signIn(b, mailbox("ada@example.com"))
		user = h.idOf(b)
		page := b.get(issuer + "/step-up/code")
		want(t, b.post(issuer+"/step-up/code", url.Values{"state": {state(t, page)}, "code": {h.code("ada@example.com")}}), http.StatusSeeOther, "")
		want(t, b.post(issuer+"/factors/chip/enroll", url.Values{"word": {"sesame"}}), http.StatusOK, "Done")
		id := h.addressID(b, "ada@example.com")
		answered(t, b.json("POST", "/account/addresses", `{"address":"new@example.com","replace":"`+id+`"}`), http.StatusAccepted, "")
		answered(t, b.json("POST", "/account/addresses/confirm", `{"code":"`+h.code("new@example.com")+`"}`), http.StatusNoContent, "")
		if thief != nil {
			thief(b)
		}
		want(t, h.browser().post(issuer+"/account/undo", h.lastLink("postern.address-undo").Query()), http.StatusOK, "change was undone")
		return h, user
	}
	t.Run("the same factor", func(t *testing.T) {
		h, user := frozen(&postern.Requirement{}, nil)
		for _, address := range []string{"ada@example.com", "new@example.com"} {
			c := h.browser()
			st := h.waiting(c, mailbox(address))
			want(t, c.answer("chip", st, "wrong"), http.StatusBadRequest, "wrong_code")
			want(t, c.answer("chip", st, "sesame"), http.StatusSeeOther, "")
			if got := h.idOf(c); got != user {
				t.Errorf("%s: signed in as %q", address, got)
			}
		}
	})
	t.Run("another in its place", func(t *testing.T) {
		var need postern.Requirement
		h, _ := frozen(&need, func(b *browser) {
			want(t, b.post(issuer+"/factors/chip/enroll", url.Values{}), http.StatusOK, "Done") // removed
			want(t, b.post(issuer+"/factors/chip/enroll", url.Values{"word": {"stolen"}}), http.StatusOK, "Done")
		})
		for _, of := range []postern.Requirement{{}, {Of: []string{"third"}}} {
			need = of
			want(t, h.signIn(h.browser(), mailbox("ada@example.com")), http.StatusForbidden, "account_frozen")
			want(t, h.signIn(h.browser(), mailbox("new@example.com")), http.StatusForbidden, "account_frozen")
		}
	})
	t.Run("another beside it", func(t *testing.T) {
		var need postern.Requirement
		h, _ := frozen(&need, func(b *browser) {
			want(t, b.post(issuer+"/factors/more/enroll", url.Values{"word": {"stolen"}}), http.StatusOK, "Done")
		})
		for _, of := range []postern.Requirement{{}, {Of: []string{"third"}}} {
			need = of
			c := h.browser()
			w := h.signIn(c, mailbox("new@example.com"))
			m := regexp.MustCompile(`state=([^"&]+)`).FindStringSubmatch(w.Body.String() + w.Header().Get("Location"))
			if m == nil {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
			want(t, c.answer("more", m[1], "stolen"), http.StatusForbidden, "account_frozen")
			if _, in := h.session(c); in {
				t.Error("signed in")
			}
		}
	})
}
