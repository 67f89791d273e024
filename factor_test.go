package postern_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

// chip is an application's own factor: a word that the person chose.
type chip struct{ backup bool }

type chipRow struct {
	Word string
	Uses int
}

type chipHandler struct {
	http.Handler
	info postern.FactorInfo
}

func (h chipHandler) Factor() postern.FactorInfo { return h.info }

func (c chip) Handler(f *postern.Flow) http.Handler {
	amr, event := "chip", "chip added"
	if c.backup {
		amr, event = "spare", ""
	}
	load := func(r *http.Request, userID string) (row chipRow, item store.Item, err error) {
		key := store.Key{Part: f.Part(userID), ID: "factor:" + f.Name()}
		items, err := f.Store().Get(r.Context(), key)
		if err != nil {
			return row, item, &postern.Error{Status: http.StatusServiceUnavailable, Code: "temporarily_unavailable", Text: "Please try again.", Err: err}
		}
		if len(items) == 0 {
			return row, store.Item{Key: key}, nil
		}
		return row, items[0], json.Unmarshal(items[0].Value, &row)
	}
	put := func(item store.Item, row chipRow) store.Change {
		item.Value, _ = json.Marshal(row)
		return store.Put(item)
	}
	form := func(wt postern.Waiting, e string) postern.Page {
		field := []postern.Field{{Name: "word", Label: "Word", Required: true}}
		if wt.Remember {
			field = append(field, f.RememberField())
		}
		return postern.Page{Name: amr + ".verify", Title: "Your word", Error: e, Links: wt.Others,
			Forms: []postern.Form{{Action: f.URL("verify"), Hidden: map[string]string{"state": wt.State}, Fields: field}}}
	}
	steps := f.Steps(map[string]http.HandlerFunc{
		"GET verify": func(w http.ResponseWriter, r *http.Request) {
			wt, err := f.Waiting(r)
			if err != nil {
				f.Fail(w, r, err)
				return
			}
			f.Page(w, r, form(wt, ""))
		},
		"POST verify": func(w http.ResponseWriter, r *http.Request) {
			wt, err := f.Guess(r)
			if err != nil {
				f.Fail(w, r, err)
				return
			}
			row, item, err := load(r, wt.UserID)
			if err != nil {
				f.Fail(w, r, err)
				return
			}
			if row.Word == "" || r.PostForm.Get("word") != row.Word {
				f.Fail(w, r, &postern.Error{Status: http.StatusBadRequest, Code: "wrong_code", Text: "That is not the word."})
				return
			}
			row.Uses++
			p := postern.Passing{Methods: []string{amr}, Changes: []store.Change{put(item, row)}}
			if c.backup {
				p.Count, p.Ends = -1, true
			}
			f.Passed(w, r, p)
		},
		"GET enroll": func(w http.ResponseWriter, r *http.Request) {
			if _, ok := f.Person(w, r, 10*time.Minute); ok {
				f.Page(w, r, postern.Page{Name: amr + ".enroll", Title: "Choose a word", Forms: []postern.Form{{
					Action: f.URL("enroll"), Hidden: map[string]string{"state": r.Form.Get("state")}, Fields: []postern.Field{{Name: "word", Label: "Word"}}}}})
			}
		},
		"POST enroll": func(w http.ResponseWriter, r *http.Request) {
			p, ok := f.Person(w, r, 10*time.Minute)
			if !ok {
				return
			}
			_, item, err := load(r, p.ID)
			if err != nil {
				f.Fail(w, r, err)
				return
			}
			e := postern.Enrolment{Count: 1, Changes: []store.Change{put(item, chipRow{Word: r.PostForm.Get("word")})}, Methods: []string{amr},
				Event: event, Notice: postern.Notice{Name: amr + ".added", Text: "A word was added."}}
			if c.backup {
				e.Methods = nil
			}
			if r.PostForm.Get("word") == "" {
				e.Count, e.Changes, e.Methods, e.Notice = -1, []store.Change{store.Delete(item.Key, item.Version)}, nil, postern.Notice{Name: amr + ".removed", Text: "A word was removed."}
			}
			next, err := f.Enroll(w, r, e)
			if err != nil {
				f.Fail(w, r, err)
				return
			}
			page := postern.Page{Name: amr + ".added", Title: "Done"}
			if next != nil {
				page.Forms = []postern.Form{*next}
			}
			f.Page(w, r, page)
		},
	})
	return chipHandler{steps, postern.FactorInfo{Methods: []string{amr}, Backup: c.backup, Label: "your word"}}
}

// newFort is a home with two factors and a backup.
func newFort(t testing.TB, change ...func(h *home, c *postern.Config)) *home {
	t.Helper()
	return newHome(t, func(h *home, c *postern.Config) {
		c.Factors = map[string]postern.Provider{"chip": chip{}, "spare": chip{backup: true}}
		for _, f := range change {
			f(h, c)
		}
	})
}

// enrolled signs a person up and gives them the word.
func (h *home) enrolled(who postern.Identity, factor, word string) *browser {
	h.t.Helper()
	b := h.fresh(who)
	want(h.t, b.post(issuer+"/factors/"+factor+"/enroll", url.Values{"word": {word}}), http.StatusOK, "Done")
	return b
}

// waiting signs in as far as the second step, and returns the state.
func (h *home) waiting(b *browser, who postern.Identity) (state string) {
	h.t.Helper()
	w := h.signIn(b, who)
	want(h.t, w, http.StatusSeeOther, issuer+"/factors/chip/verify?state=")
	if _, ok := h.session(b); ok {
		h.t.Fatal("a session before the second factor")
	}
	return w.Header().Get("Location")[len(issuer+"/factors/chip/verify?state="):]
}

func (b *browser) answer(factor, state, word string, more ...string) *httptest.ResponseRecorder {
	form := url.Values{"state": {state}, "word": {word}}
	for i := 0; i+1 < len(more); i += 2 {
		form.Set(more[i], more[i+1])
	}
	return b.post(issuer+"/factors/"+factor+"/verify", form)
}

// TestM8_ASecondFactorIsAsked: the sign-in waits, and its session says what was shown.
func TestM8_ASecondFactorIsAsked(t *testing.T) {
	h := newFort(t)
	h.enrolled(h.who, "chip", "sesame")
	b := h.browser()
	state := h.waiting(b, h.who)
	want(t, b.get(issuer+"/factors/chip/verify?state="+state), http.StatusOK, "Your word")
	want(t, b.answer("chip", state, "wrong"), http.StatusBadRequest, "not the word")
	if _, ok := h.session(b); ok {
		t.Fatal("a session after a wrong answer")
	}
	want(t, b.answer("chip", state, "sesame"), http.StatusSeeOther, "")
	s, ok := h.session(b)
	if !ok || !slices.Equal(s.Authentication.Methods, []string{"oauth", "chip", "mfa"}) {
		t.Fatalf("session %+v %v", s, ok)
	}
	want(t, b.answer("chip", state, "sesame"), http.StatusBadRequest, "invalid_state")
}

// TestM10_EnrolmentEndsOtherSessions: a session that has shown no factor ends at its next refresh; that of the
// enrolment goes on.
func TestM10_EnrolmentEndsOtherSessions(t *testing.T) {
	h := newFort(t)
	old := h.fresh(h.who)
	b := h.enrolled(h.who, "chip", "sesame")
	h.Advance(10 * time.Minute)
	if s, ok := h.session(old); ok {
		t.Errorf("a session without the factor goes on: %+v", s)
	}
	if s, ok := h.session(b); !ok || !slices.Contains(s.Authentication.Methods, "chip") {
		t.Errorf("the session of the enrolment: %+v %v", s, ok)
	}
}

// TestM10_EnrolmentEndsOthersAtOnce: a route that asks the store refuses them without a wait for the refresh.
func TestM10_EnrolmentEndsOthersAtOnce(t *testing.T) {
	h := newFort(t)
	old := h.fresh(h.who)
	if w := old.json("GET", "/account/sessions", ""); w.Code != http.StatusOK {
		t.Fatal(w.Code, w.Body)
	}
	h.enrolled(h.who, "chip", "sesame")
	answered(t, old.json("GET", "/account/sessions", ""), http.StatusUnauthorized, "not_signed_in")
}

// TestM10_RequireFactor: it adds, and never takes away; its error is 503; it is asked at refresh.
func TestM10_RequireFactor(t *testing.T) {
	var fail error
	var need postern.Requirement
	h := newFort(t, func(_ *home, c *postern.Config) {
		c.RequireFactor = func(_ context.Context, p postern.Person, auth session.Authentication) (postern.Requirement, error) {
			if p.ID == "" || auth.Time.IsZero() {
				t.Errorf("asked for %+v, %+v", p, auth)
			}
			return need, fail
		}
	})
	h.enrolled(h.who, "chip", "sesame")
	h.waiting(h.browser(), h.who) // the zero Requirement takes nothing away

	fail = errors.New("away")
	want(t, h.signIn(h.browser(), h.who), http.StatusServiceUnavailable, "temporarily_unavailable")
	fail = nil
	need = postern.Requirement{Of: []string{"nosuch"}}
	want(t, h.signIn(h.browser(), h.who), http.StatusInternalServerError, "")

	need = postern.Requirement{}
	other := at("bob", "bob@example.com", true)
	b := h.browser()
	h.signIn(b, other)
	need = postern.Requirement{Factor: true}
	h.Advance(10 * time.Minute)
	if s, ok := h.session(b); ok {
		t.Errorf("a session that lacks a required factor: %+v", s)
	}
	fail = errors.New("away")
	c := h.browser()
	need, fail = postern.Requirement{}, nil
	h.signIn(c, other)
	fail = errors.New("away")
	h.Advance(10 * time.Minute)
	if _, ok := h.session(c); ok {
		t.Error("a session is refreshed although the policy cannot be asked")
	}
	fail = nil
	if _, ok := h.session(c); !ok {
		t.Error("a policy that could not be asked ended the session")
	}
}

// TestM8_TheBackupAnswers: it ends the wait, ends everything minted before, and makes nothing due by itself.
func TestM8_TheBackupAnswers(t *testing.T) {
	h := newFort(t)
	h.enrolled(h.who, "spare", "rescue")
	b := h.browser()
	want(t, h.signIn(b, h.who), http.StatusSeeOther, "https://app.example.com/")
	h.enrolled(h.who, "chip", "sesame")
	old := h.browser()
	want(t, old.answer("chip", h.waiting(old, h.who), "sesame"), http.StatusSeeOther, "")
	c := h.browser()
	state := h.waiting(c, h.who)
	if page := c.get(issuer + "/factors/chip/verify?state=" + state).Body.String(); !strings.Contains(page, "/factors/spare/verify?state="+state) {
		t.Errorf("the page does not lead to the backup: %s", page)
	}
	want(t, c.answer("spare", state, "rescue", "remember", "yes"), http.StatusSeeOther, "")
	if s, ok := h.session(c); !ok || !slices.Contains(s.Authentication.Methods, "spare") {
		t.Errorf("session %+v", s)
	}
	for name := range c.Cookies {
		if strings.Contains(name, "remembered") {
			t.Error("a browser is remembered by a backup")
		}
	}
	h.Advance(10 * time.Minute)
	if _, ok := h.session(old); ok {
		t.Error("a session from before the backup was used goes on")
	}
	if _, ok := h.session(c); !ok {
		t.Error("the session of the backup ended")
	}
	// It is used up.
	d := h.browser()
	want(t, d.answer("spare", h.waiting(d, h.who), "rescue"), http.StatusForbidden, "other_factor")
}

func (h *home) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

// TestFactors_BackupsLast: recovery codes come after what they stand in for, whatever their name.
func TestFactors_BackupsLast(t *testing.T) {
	h := newHome(t, func(h *home, c *postern.Config) {
		c.Factors = map[string]postern.Provider{"a-spare": chip{backup: true}, "chip": chip{}, "b-spare": chip{backup: true}, "word": chip{}}
	})
	b := h.enrolled(h.who, "chip", "blue")
	w := b.json("GET", "/account", "")
	var names []string
	for _, m := range regexp.MustCompile(`"name":"([^"]*)","label"`).FindAllStringSubmatch(w.Body.String(), -1) {
		names = append(names, m[1])
	}
	if want := []string{"chip", "word", "a-spare", "b-spare"}; w.Code != http.StatusOK || !slices.Equal(names, want) {
		t.Errorf("%d %q, want %q\n%s", w.Code, names, want, w.Body)
	}
}
