package postern_test

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/oidc"
	"github.com/posternauth/postern/posterntest"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/users"
)

// pager is a factor of an application: a code that the application sends to the person.
type pager struct {
	send func(ctx context.Context, userID, code string) error
}

type pagerHandler struct {
	http.Handler
	pager
	flow *postern.Flow
}

func (p pager) Handler(f *postern.Flow) http.Handler {
	h := &pagerHandler{pager: p, flow: f}
	h.Handler = f.Steps(map[string]http.HandlerFunc{"GET verify": h.ask, "POST verify": h.verify, "GET enroll": h.offer, "POST enroll": h.enroll})
	return h
}

func (h *pagerHandler) Factor() postern.FactorInfo {
	return postern.FactorInfo{Methods: []string{"sms"}, Label: "a code on your pager"}
}

// mac is what the store has of a code. place is the sign-in that waits, or "enroll".
func (h *pagerHandler) mac(ctx context.Context, place, code string) ([]byte, error) {
	secret, err := h.flow.Sessions().Secrets().Secret(ctx, "")
	if err != nil {
		return nil, err
	}
	m := hmac.New(sha256.New, secret.Derive("pager"))
	m.Write([]byte(place + " " + code))
	return m.Sum(nil), nil
}

// row is the row of a user. Its id begins with "factor:" and the name of the factor.
func (h *pagerHandler) row(ctx context.Context, userID string) (store.Item, error) {
	key := store.Key{Part: h.flow.Part(userID), ID: "factor:pager"}
	items, err := h.flow.Store().Get(ctx, key)
	if err != nil || len(items) == 0 {
		return store.Item{Key: key}, err
	}
	return items[0], nil
}

// page sends a code that works for five minutes, and shows the form for it.
func (h *pagerHandler) page(w http.ResponseWriter, r *http.Request, userID, place, step, state string) {
	ctx := r.Context()
	n, err := rand.Int(rand.Reader, big.NewInt(1_000_000))
	code, item := fmt.Sprintf("%06d", n), store.Item{}
	if err == nil {
		err = h.flow.LimitUser(ctx, "pager", userID, time.Hour, 5)
	}
	if err == nil {
		item, err = h.row(ctx, userID)
	}
	if err == nil {
		item.Value, err = h.mac(ctx, place, code)
	}
	if err == nil {
		item.Expires = h.flow.Sessions().Now().Add(5 * time.Minute)
		err = h.flow.Store().Write(ctx, store.Put(item))
	}
	if err == nil {
		err = h.send(ctx, userID, code)
	}
	if err != nil {
		h.flow.Fail(w, r, err)
		return
	}
	h.flow.Page(w, r, postern.Page{Name: "pager." + step, Title: "We sent you a code", Forms: []postern.Form{{
		Action: h.flow.URL(step), Hidden: map[string]string{"state": state}, Fields: []postern.Field{{Name: "code", Label: "Code", Required: true}},
	}}})
}

// check compares a code, and returns the change that makes it work no more.
func (h *pagerHandler) check(r *http.Request, userID, place string) ([]store.Change, error) {
	item, err := h.row(r.Context(), userID)
	if err != nil {
		return nil, err
	}
	mac, err := h.mac(r.Context(), place, r.PostForm.Get("code"))
	if err == nil && !hmac.Equal(item.Value, mac) {
		err = &postern.Error{Status: http.StatusBadRequest, Code: "wrong_code", Text: "That is not the code."}
	}
	return []store.Change{store.Delete(item.Key, item.Version)}, err
}

func (h *pagerHandler) ask(w http.ResponseWriter, r *http.Request) {
	wt, err := h.flow.Waiting(r)
	if err != nil {
		h.flow.Fail(w, r, err)
		return
	}
	h.page(w, r, wt.UserID, wt.State, "verify", wt.State)
}

func (h *pagerHandler) verify(w http.ResponseWriter, r *http.Request) {
	wt, err := h.flow.Guess(r) // counted before anything is compared
	var used []store.Change
	if err == nil {
		used, err = h.check(r, wt.UserID, wt.State)
	}
	if err != nil {
		h.flow.Fail(w, r, err)
		return
	}
	h.flow.Passed(w, r, postern.Passing{Methods: h.Factor().Methods, Changes: used})
}

func (h *pagerHandler) offer(w http.ResponseWriter, r *http.Request) {
	if p, ok := h.flow.Person(w, r, 10*time.Minute); ok { // a fresh proof, or a sign-in that waits for a first factor
		h.page(w, r, p.ID, "enroll", "enroll", r.Form.Get("state"))
	}
}

func (h *pagerHandler) enroll(w http.ResponseWriter, r *http.Request) {
	p, ok := h.flow.Person(w, r, 10*time.Minute)
	if !ok {
		return
	}
	var used []store.Change
	var next *postern.Form
	err := h.flow.LimitUser(r.Context(), "pager guesses", p.ID, 15*time.Minute, 5)
	if err == nil {
		used, err = h.check(r, p.ID, "enroll")
	}
	if err == nil {
		next, err = h.flow.Enroll(w, r, postern.Enrolment{Count: 1, Changes: used, Methods: h.Factor().Methods, Event: "pager added",
			Notice: postern.Notice{Name: "pager.added", Text: "From now on a sign-in asks for a code on your pager."}})
	}
	if err != nil {
		h.flow.Fail(w, r, err)
		return
	}
	page := postern.Page{Name: "pager.added", Title: "Done"}
	if next != nil { // on the way to a session
		page.Forms = []postern.Form{*next}
	}
	h.flow.Page(w, r, page)
}

// An application's own factor counts like any other. This one knows the pagers of all people. examples/sms-factor is a
// whole one: it asks for a number, and can be removed.
func ExampleFactor() {
	t := new(exampleT) // in a test: t *testing.T
	defer t.end()
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	defer server.Close()
	idp := posterntest.NewProvider(t, posterntest.ProviderConfig{RedirectURIs: []string{server.URL + "/auth/company/callback"}})
	sessions := posterntest.Sessions(t, session.Config{Issuer: server.URL + "/auth"})
	dir, err := users.New(users.Config{Sessions: sessions})
	if err != nil {
		t.Fatalf("users: %v", err)
	}
	kind := postern.NewKind(sessions, dir, session.KindConfig[Account]{Name: "user"}, func(p postern.Person) Account { return Account{Name: p.Name} })
	var code string
	auth, err := postern.New(postern.Config{
		Sessions: sessions, Session: kind, Redirects: []string{"/me"},
		Providers: map[string]postern.Provider{
			"company": oidc.New(oidc.Config{Issuer: idp.Issuer(), ClientID: idp.ClientID, ClientSecret: idp.ClientSecret, HTTPClient: idp.Client()}),
		},
		Factors: map[string]postern.Provider{"pager": pager{func(_ context.Context, _, sent string) error {
			code = sent
			return nil
		}}},
		RequireFactor: func(context.Context, postern.Person, session.Authentication) (postern.Requirement, error) {
			return postern.Requirement{Factor: true}, nil
		},
	})
	if err != nil {
		t.Fatalf("postern: %v", err)
	}
	auth.Mount(mux)
	mux.Handle("GET /me", kind.Require(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		s, _ := kind.From(r.Context())
		fmt.Println(s.Properties.Name, s.Authentication.Methods)
	})))

	// The first sign-in sets it up, because a factor is required.
	ada := posterntest.Client(t)
	page := posterntest.SignIn(t, ada, server.URL+"/auth/company/authorize")
	page = posterntest.SignIn(t, ada, server.URL+"/auth/factors/pager/enroll?"+page.Request.URL.RawQuery)
	page = posterntest.Submit(t, ada, page, url.Values{"code": {code}})
	posterntest.Submit(t, ada, page, nil) // continue

	// The next one asks for a code.
	ada = posterntest.Client(t)
	page = posterntest.SignIn(t, ada, server.URL+"/auth/company/authorize")
	posterntest.Submit(t, ada, page, url.Values{"code": {code}})
	// Output:
	// Ada Lovelace [oidc sms mfa]
	// Ada Lovelace [oidc sms mfa]
}
