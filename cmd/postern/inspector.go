package main

import (
	"cmp"
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/posternauth/postern/internal/jose"
	"github.com/posternauth/postern/internal/test/devpage"
)

// inspector is the page that takes tokens apart. own returns the token of the session of a request; nil: there is none.
type inspector struct {
	site
	check *checker
	own   func(r *http.Request) string
}

// A finding is what one check says about a token. State is "yes", "no" or "open", for a check that was not made.
type finding struct{ Name, Text, State string }

// An opened is a token that was taken apart.
type opened struct {
	Parts          []string // of the token, as it was typed
	Verdict        string
	Valid          bool
	Findings       []finding
	Header, Claims []row
	Unread         string // why there are no claims
}

func (i *inspector) routes(mux *http.ServeMux) {
	mux.HandleFunc("GET /token", func(w http.ResponseWriter, r *http.Request) { i.draw(w, r, "", nil) })
	mux.HandleFunc("POST /token", i.take)
}

// take takes a token by POST, so that no token is in an address.
func (i *inspector) take(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 4*jose.MaxToken)
	if err := r.ParseForm(); err != nil {
		i.fail(w, http.StatusBadRequest, "Too long, or no form", "A token of Postern is at most 16 KiB long.")
		return
	}
	token := r.PostForm.Get("token")
	if r.PostForm.Get("own") != "" && i.own != nil {
		token = i.own(r)
	}
	token, err := oneToken(token, strings.NewReader(""))
	if err != nil {
		i.draw(w, r, "", &opened{Verdict: "There is no token. Paste one."})
		return
	}
	i.draw(w, r, token, i.apart(r.Context(), token))
}

func (i *inspector) draw(w http.ResponseWriter, r *http.Request, token string, t *opened) {
	i.show(w, devpage.Page{
		Title: "Token inspector", Path: "/token",
		Lead: "Takes a token apart, checks it with the keys of " + i.check.issuer + ", and says in words what is wrong. Nothing is kept, and nothing leaves this machine.",
	}, "token", map[string]any{"Token": token, "Taken": t, "Own": i.own != nil && i.own(r) != ""})
}

// apart checks a token and reads what can be read of it, valid or not.
func (i *inspector) apart(ctx context.Context, token string) *opened {
	t := &opened{Parts: strings.Split(token, ".")}
	now := i.check.now()
	switch {
	case len(token) > jose.MaxToken:
		t.Unread = "It is longer than 16 KiB, and no token of Postern is."
	case len(t.Parts) == 5:
		t.Unread = "It is an encrypted token, of five parts: only its receiver can read it."
	case len(t.Parts) != 3:
		t.Unread = "A signed token has three parts with dots between them, and this has " + count(int64(len(t.Parts)), "part") + ". Was it cut off while copying?"
	default:
		for n, part := range t.Parts[:2] {
			name := []string{"header", "payload"}[n]
			text, ok := jose.DecodeBase64(nil, part)
			if !ok {
				t.Unread = "The " + name + " is not base64url. Was it cut off, or changed while copying?"
				break
			}
			list, err := rows(string(text), now)
			if err != nil {
				t.Unread = "The " + name + " is not a JSON object."
				break
			}
			if n == 0 {
				t.Header = list
			} else {
				t.Claims = list
			}
		}
	}
	t.Findings = i.findings(ctx, token, t)
	t.Valid = true
	for _, f := range t.Findings {
		if f.State == "no" && t.Valid {
			t.Valid, t.Verdict = false, "This token is not valid. "+f.Text
		}
	}
	if t.Valid {
		t.Verdict = "This token is valid: a service that trusts " + i.check.issuer + " accepts it."
	}
	return t
}

// findings makes each check by itself, so that a person sees all that is wrong. A service stops at the first.
func (i *inspector) findings(ctx context.Context, token string, t *opened) []finding {
	tok, err := jose.Parse(token)
	if err != nil {
		text := cmp.Or(t.Unread, sentence(err.Error()))
		return []finding{{"Form", text, "no"}, {"Signature and claims", "Not checked: the token cannot be read.", "open"}}
	}
	all := []finding{{"Form", "Three parts, each of strict base64url and JSON.", "yes"}}
	add := func(name, good string, refused *refusal) {
		f := finding{name, good, "yes"}
		if refused != nil {
			f.Text, f.State = sentence(refused.Error()), "no"
		}
		all = append(all, f)
	}
	signed := i.check.signature(ctx, tok)
	if signed != nil && signed.code == reasonUnknownKey {
		signed.text = "no key of this server has the kid " + cmp.Or(calm(tok.Kid), "(none)") + ": the token is of another issuer, or its key was revoked"
	}
	add("Signature", "Made by the key "+tok.Kid+" with "+tok.Alg+".", signed)
	if i.check.typ != "" {
		var refused *refusal
		if !jose.HasType(tok.Typ, i.check.typ) {
			refused = refuse(reasonType, "the header typ is "+cmp.Or(calm(tok.Typ), "missing")+", and an access token has "+i.check.typ+": is it an ID token?")
		}
		add("Type", "An access token ("+i.check.typ+").", refused)
	}
	var times, claims *refusal
	bare := checker{leeway: i.check.leeway, now: i.check.now}
	switch r := bare.claims(tok.Payload); {
	case r == nil:
	case r.code == reasonExpired || r.code == reasonNotYetValid:
		times = r
	default:
		claims = r
	}
	if claims != nil {
		add("Claims", "", claims)
		return all
	}
	if i.check.issuer != "" {
		bare.issuer = i.check.issuer
		var refused *refusal
		if r := bare.claims(tok.Payload); r != nil && r.code == reasonIssuer {
			refused = refuse(reasonIssuer, "the claim iss is "+t.claim("iss")+", and this server is "+i.check.issuer)
		}
		add("Issuer", "Issued by this server.", refused)
		bare.issuer = ""
	}
	if i.check.audience == "" {
		all = append(all, finding{"Audience", "Not checked: only the service knows its name. The token has " + t.claim("aud") + ".", "open"})
	} else {
		bare.audience = i.check.audience
		var refused *refusal
		if r := bare.claims(tok.Payload); r != nil && r.code == reasonAudience {
			refused = refuse(reasonAudience, "the claim aud is "+t.claim("aud")+", and the service here is "+i.check.audience)
		}
		add("Audience", "For the service "+i.check.audience+".", refused)
	}
	add("Time", lifeInWords(t.Claims, i.check.now())+".", times)
	return all
}

// claim is the value of a claim as it is shown.
func (t *opened) claim(name string) string {
	for _, r := range t.Claims {
		if r.name == name {
			return r.value
		}
	}
	return "missing"
}

// sentence makes a sentence of the text of an error.
func sentence(text string) string {
	text = strings.TrimPrefix(calm(text), "jose: ")
	return strings.ToUpper(text[:1]) + text[1:] + "."
}

// Name, Value and Words are a row for a page: the value without what the words say.
func (r row) Name() string { return r.name }

// Value is the value in the token.
func (r row) Value() string {
	value, _, _ := strings.Cut(r.value, "  "+r.words+" (")
	if r.words == "" {
		return r.value
	}
	return value
}

// Words say when a time is.
func (r row) Words() string {
	if r.words == "" {
		return ""
	}
	return r.words + ", " + stamp(r.at)
}

// newInspector makes the inspector of a server whose access tokens are of an issuer.
func newInspector(s site, c checker, now func() time.Time) *inspector {
	c.typ, c.now = "at+jwt", now
	return &inspector{site: s, check: &c}
}
