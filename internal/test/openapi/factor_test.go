package openapi

import (
	"context"
	"net/http"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

// guarded is the address of the person who must have a second factor.
const guarded = "guard@example.com"

func demand(_ context.Context, p postern.Person, _ session.Authentication) (postern.Requirement, error) {
	address, _ := p.Email()
	return postern.Requirement{Factor: address == guarded}, nil
}

// knock is a factor that proves nothing: who knocks has shown it.
type knock struct{}

type knockHandler struct{ http.Handler }

func (knockHandler) Factor() postern.FactorInfo {
	return postern.FactorInfo{Methods: []string{"knock"}, Label: "a knock"}
}

func (knock) Handler(f *postern.Flow) http.Handler {
	return knockHandler{f.Steps(map[string]http.HandlerFunc{
		"POST enroll": func(w http.ResponseWriter, r *http.Request) {
			p, ok := f.Person(w, r, 0)
			if !ok {
				return
			}
			row := store.Item{Key: store.Key{Part: f.Part(p.ID), ID: "factor:knock"}, Value: []byte("{}")}
			if _, err := f.Enroll(w, r, postern.Enrolment{Count: 1, Changes: []store.Change{store.Put(row)}, Methods: []string{"knock"}, Notice: postern.Notice{Name: "knock.added"}}); err != nil {
				f.Fail(w, r, err)
				return
			}
			f.Page(w, r, postern.Page{Name: "knock.added", Title: "Done"})
		},
		"GET verify": func(w http.ResponseWriter, r *http.Request) {
			wt, err := f.Waiting(r)
			if err != nil {
				f.Fail(w, r, err)
				return
			}
			f.Page(w, r, postern.Page{Name: "knock.verify", Title: "Knock", Forms: []postern.Form{{Action: f.URL("verify"), Hidden: map[string]string{"state": wt.State}}}})
		},
		"POST verify": func(w http.ResponseWriter, r *http.Request) {
			if _, err := f.Guess(r); err != nil {
				f.Fail(w, r, err)
				return
			}
			f.Passed(w, r, postern.Passing{Methods: []string{"knock"}})
		},
	})}
}

// knock sends a step of the factor, which the document does not describe.
func (c *client) knock(step string, state string) {
	c.v.Helper()
	c.Handler = c.v.Auth
	defer func() { c.Handler = c.v.handler }()
	if a := c.do("POST", "/factors/knock/"+step, object{"state": state, "remember": "yes"}); a.Code != http.StatusOK {
		c.v.Fatalf("%s: %d %s", step, a.Code, a.Body)
	}
}

// factors: a person who must have a second factor sets it up, and is asked for it at the next sign-in.
func factors(v *town) {
	v.signUp(guarded)
	signIn := func() (*client, string) {
		c := v.client()
		page := c.must(200, "GET", "/password/authorize", nil)
		page = c.must(200, "POST", "/password/callback", object{"state": page.hidden("state"), "identifier": guarded, "password": good})
		return c, page.hidden("state")
	}
	c, state := signIn()
	c.must(200, "GET", "/factors?state="+state, nil)
	c.must(200, "POST", "/factors/code", object{"state": state})
	c.must(200, "GET", "/factors/code?state="+state, nil)
	c.must(400, "GET", "/factors/code?state=x", nil)
	c.must(200, "GET", "/factors/code/link?token="+v.mailed("postern.enroll", "link", "token"), nil)
	c.must(400, "GET", "/factors/code/link?token=x", nil)
	c.must(400, "POST", "/factors/code", object{"state": state, "code": "1"})
	c.must(200, "POST", "/factors/code", object{"state": state, "code": v.code()})
	c.knock("enroll", state)
	c.must(200, "POST", "/factors/continue", object{"state": state})

	for range 2 {
		c, state = signIn()
		c.must(200, "GET", "/factors?state="+state, nil)
		c.knock("verify", state)
	}
	for _, b := range c.must(200, "GET", "/account/browsers", nil).json["browsers"].([]any) {
		c.must(204, "DELETE", "/account/browsers/"+b.(object)["id"].(string), nil)
		return
	}
	v.Fatal("no browser is remembered")
}
