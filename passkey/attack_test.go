package passkey_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	virtual "github.com/descope/virtualwebauthn"

	"github.com/posternauth/postern/internal/test/virtualkey"
	"github.com/posternauth/postern/passkey"
)

// edit changes the JSON of a credential.
func edit(t testing.TB, credential string, change func(m, response map[string]any)) string {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(credential), &m); err != nil {
		t.Fatal(err)
	}
	response, _ := m["response"].(map[string]any)
	change(m, response)
	text, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// option changes the public-key options of a form.
func option(t testing.TB, data json.RawMessage, name string, value any) json.RawMessage {
	t.Helper()
	var m struct {
		PublicKey map[string]any `json:"publicKey"`
	}
	if err := json.Unmarshal(data, &m); err != nil {
		t.Fatal(err)
	}
	m.PublicKey[name] = value
	text, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestW2_Challenge: a challenge has 256 bits, works once, for five minutes, in one browser and one ceremony.
func TestW2_Challenge(t *testing.T) {
	w := newWorld(t)
	d := newDevice()
	u := w.browser().signUp("ada@example.com", d)
	begin := func(b *browser) (*answer, string) {
		page := b.get("/passkey/authorize")
		return page, d.show(t, page.form("").Data)
	}
	t.Run("size", func(t *testing.T) {
		var m struct {
			PublicKey struct{ Challenge string }
		}
		page, _ := begin(w.browser())
		if err := json.Unmarshal(page.form("").Data, &m); err != nil {
			t.Fatal(err)
		}
		if b, err := base64.RawURLEncoding.DecodeString(m.PublicKey.Challenge); err != nil || len(b) != 32 {
			t.Errorf("challenge %q", m.PublicKey.Challenge)
		}
	})
	t.Run("once", func(t *testing.T) {
		b := w.browser()
		page, credential := begin(b)
		copied := b.clone()
		b.fill(page, credential).want(200, "https://app.example.com/")
		copied.fill(page, credential).want(400, "used_state")
		b.fill(page, credential).want(400, "invalid_state")
		next := b.get("/passkey/authorize")
		b.fill(next, credential).want(400, "invalid_passkey") // another challenge
	})
	t.Run("five minutes", func(t *testing.T) {
		b := w.browser()
		page, credential := begin(b)
		w.Advance(5*time.Minute - time.Second)
		b.clone().fill(page, credential).want(200, "https://app.example.com/")
		b = w.browser()
		page, credential = begin(b)
		w.Advance(5 * time.Minute)
		b.fill(page, credential).want(400, "expired_passkey")
	})
	t.Run("browser", func(t *testing.T) {
		page, credential := begin(w.browser())
		w.browser().fill(page, credential).want(400, "invalid_state")
		other := w.browser()
		own := other.get("/passkey/authorize")
		f := page.form("")
		other.post(f.URL, "state", own.form("").Hidden["state"], "ceremony", f.Hidden["ceremony"], "credential", credential).want(400, "expired_passkey")
	})
	t.Run("ceremony", func(t *testing.T) {
		b := w.browser()
		b.signIn(d)
		enroll := b.get("/passkey/enroll").form("")
		page := b.get("/passkey/authorize")
		state := page.form("").Hidden["state"]
		// The challenge of a registration is no challenge of a sign-in, nor the other way round.
		credential := d.show(t, enroll.Data)
		b.post("/passkey/callback", "state", state, "ceremony", enroll.Hidden["ceremony"], "credential", credential).want(400, "expired_passkey")
		b.post("/passkey/callback", "state", state, "ceremony", page.form("").Hidden["ceremony"], "credential", credential).want(400, "invalid_passkey")
		made := newDevice().make(t, enroll.Data)
		b.post("/passkey/callback", "state", state, "ceremony", page.form("").Hidden["ceremony"], "credential", made).want(400, "invalid_passkey")
		b.post("/passkey/enroll", "ceremony", page.form("").Hidden["ceremony"], "credential", made).want(400, "expired_passkey")
		ask := b.post("/passkey/ask", "ask", "on").form("")
		b.post("/passkey/callback", "state", state, "ceremony", ask.Hidden["ceremony"], "credential", d.show(t, ask.Data)).want(400, "expired_passkey")
		if h := w.head(u); h.Ways.Passkeys != 1 || h.Due() {
			t.Errorf("head %+v", h)
		}
	})
	t.Run("a registration is not repeated", func(t *testing.T) {
		b := w.browser()
		b.signIn(d)
		second := newDevice()
		w.Advance(time.Second) // so that it is the second of the list
		page := b.get("/passkey/enroll")
		credential := second.make(t, page.form("").Data)
		list := b.fill(page, credential).want(200, "passkey.added")
		b.fill(page, credential).want(409, "passkey_taken")
		_, id, _ := strings.Cut(list.page.Lines[1].Link.URL, "id=")
		b.post("/passkey/remove", "id", id).want(200, "passkey.removed")
		b.fill(page, credential).want(409, "changed") // or a thief could bring back what was removed
	})
}

// TestW3_Owner: a credential signs in its owner, and nobody else.
func TestW3_Owner(t *testing.T) {
	w := newWorld(t)
	ada, eve := newDevice(), newDevice()
	a := w.browser()
	adaID := a.signUp("ada@example.com", ada)
	w.browser().signUp("eve@example.com", eve)

	t.Run("userHandle", func(t *testing.T) {
		for name, handle := range map[string][]byte{"of another": ada.Options.UserHandle, "none": nil, "unknown": []byte("x"), "the id": []byte(adaID)} {
			forged := *eve
			forged.Options.UserHandle = handle
			b := w.browser()
			b.signIn(&forged).want(400, "invalid_passkey")
			if b.session() != nil {
				t.Errorf("%s: signed in", name)
			}
		}
	})
	t.Run("id of another", func(t *testing.T) {
		b := w.browser()
		page := b.get("/passkey/authorize")
		forged := *eve
		forged.Credentials = []virtual.Credential{{ID: ada.Credentials[0].ID, Key: eve.Credentials[0].Key, Counter: 9}}
		forged.Options.UserHandle = ada.Options.UserHandle
		b.fill(page, forged.show(t, page.form("").Data)).want(400, "invalid_passkey")
	})
	t.Run("step-up by another's passkey", func(t *testing.T) {
		w.Advance(11 * time.Minute)
		page := a.get("/step-up/passkey").want(200, "passkey.confirm")
		before := a.session().ID
		a.fill(page, eve.show(t, page.form("").Data)).want(400, "other_passkey")
		if s := a.session(); s.ID != before || s.Subject != adaID {
			t.Error("the session changed")
		}
		a.get("/passkey/enroll").want(401, "insufficient_user_authentication")
	})
	t.Run("factor by another's passkey", func(t *testing.T) {
		b := w.browser()
		b.signUpPassword("bob@example.com")
		bob := newDevice()
		b.enroll(bob)
		page := b.post("/passkey/ask", "ask", "on")
		b.fill(page, bob.show(t, page.form("").Data)).want(200, "passkey.set")
		other := w.browser()
		page = other.signInPassword("bob@example.com").want(200, "passkey.verify")
		page = other.fill(page, eve.show(t, page.form("").Data)).want(400, "other_passkey")
		other.fill(page, bob.show(t, page.form("").Data), "user_id", "eve").want(200, "https://app.example.com/")
		if s := other.session(); s == nil || s.Subject != w.user("bob@example.com") {
			t.Errorf("session %+v", s)
		}
	})
	t.Run("long id", func(t *testing.T) {
		b := w.browser()
		page := b.get("/passkey/authorize")
		long := base64.RawURLEncoding.EncodeToString(make([]byte, 1024))
		text := edit(t, ada.show(t, page.form("").Data), func(m, _ map[string]any) { m["id"], m["rawId"] = long, long })
		b.fill(page, text).want(400, "invalid_passkey")
		b = w.browser()
		b.signIn(ada)
		page = b.get("/passkey/enroll")
		d := newDevice()
		c := virtual.NewCredential(virtual.KeyTypeRSA)
		c.ID = make([]byte, 1024)
		o, err := virtual.ParseAttestationOptions(string(page.form("").Data))
		if err != nil {
			t.Fatal(err)
		}
		b.fill(page, virtualkey.Create(d.rp, d.Authenticator, c, *o)).want(400, "invalid_passkey")
		page = b.get("/passkey/enroll")
		c.ID = make([]byte, 1023)
		if o, err = virtual.ParseAttestationOptions(string(page.form("").Data)); err != nil {
			t.Fatal(err)
		}
		b.fill(page, virtualkey.Create(d.rp, d.Authenticator, c, *o)).want(200, "passkey.added")
	})
	t.Run("registered elsewhere", func(t *testing.T) {
		b := w.browser()
		b.signIn(eve)
		page := b.get("/passkey/enroll")
		o, err := virtual.ParseAttestationOptions(string(page.form("").Data))
		if err != nil {
			t.Fatal(err)
		}
		b.fill(page, virtualkey.Create(ada.rp, ada.Authenticator, ada.Credentials[0], *o)).want(409, "passkey_taken")
		if owner := w.browser(); owner.signIn(ada).Code != 200 || owner.session().Subject != adaID {
			t.Error("the owner has lost the passkey")
		}
	})
}

// TestW4_UserVerification: a first proof demands that the person was verified, whatever else is enrolled.
func TestW4_UserVerification(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		name   string
		enroll func(b *browser, d *device)
	}{
		{"no other factor", func(*browser, *device) {}},
		{"a second passkey", func(b *browser, d *device) { b.enroll(newDevice()).want(200, "passkey.added") }},
		{"asked each time", func(b *browser, d *device) {
			page := b.post("/passkey/ask", "ask", "on")
			b.fill(page, d.show(t, page.form("").Data)).want(200, "passkey.set")
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, b := newDevice(), w.browser()
			name := strings.ReplaceAll(c.name, " ", "-")
			b.signUp(name, d)
			c.enroll(b, d)
			d.Options.UserNotVerified = true
			other := w.browser()
			other.signIn(d).want(400, "passkey_unverified")
			page := other.get("/passkey/authorize")
			lax := option(t, page.form("").Data, "userVerification", "discouraged")
			other.fill(page, d.show(t, lax)).want(400, "passkey_unverified")
			if other.session() != nil {
				t.Error("signed in")
			}
			w.Advance(11 * time.Minute)
			page = b.get("/step-up/passkey").want(200, "passkey.confirm")
			b.fill(page, d.show(t, page.form("").Data)).want(400, "passkey_unverified")
		})
	}
}

// TestW5_Configuration: origin, RP id, algorithms, user and ceremony come from the configuration and from sealed state.
func TestW5_Configuration(t *testing.T) {
	evil := virtual.RelyingParty{ID: "evil.example", Name: "Example", Origin: "https://evil.example"}
	w := newWorld(t, func(o *options) { o.passkey = passkey.Config{Algorithms: []string{"ES256"}} })
	d := newDevice()
	w.browser().signUp("ada@example.com", d)

	t.Run("headers", func(t *testing.T) {
		phished := *d
		phished.rp = virtual.RelyingParty{ID: rpID, Origin: evil.Origin}
		b := w.browser()
		page := b.get("/passkey/authorize")
		f := page.form("")
		for name, value := range map[string]string{"Origin": evil.Origin, "X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example;proto=https"} {
			r := b.Request(http.MethodPost, f.URL, filled(f, phished.show(t, f.Data)))
			r.Header.Set(name, value)
			r.Host = "evil.example"
			b.send(r).want(400, "invalid_passkey")
		}
	})
	t.Run("RP id", func(t *testing.T) {
		phished := *d
		phished.rp = virtual.RelyingParty{ID: evil.ID, Origin: origin}
		w.browser().signIn(&phished).want(400, "invalid_passkey")
		b := w.browser()
		b.signIn(d)
		page := b.get("/passkey/enroll")
		o := *newDevice()
		o.rp = evil
		b.fill(page, o.make(t, option(t, page.form("").Data, "rp", map[string]string{"id": evil.ID, "name": "x"}))).want(400, "invalid_passkey")
	})
	t.Run("algorithm", func(t *testing.T) {
		b := w.browser()
		b.signIn(d)
		page := b.get("/passkey/enroll")
		if !strings.Contains(string(page.form("").Data), `"pubKeyCredParams":[{"type":"public-key","alg":-7}]`) {
			t.Fatalf("offered: %s", page.form("").Data)
		}
		rsa := newDevice()
		rsa.kind = virtual.KeyTypeRSA
		b.fill(page, rsa.make(t, option(t, page.form("").Data, "pubKeyCredParams", []any{map[string]any{"type": "public-key", "alg": -257}}))).want(400, "invalid_passkey")
		open := newWorld(t)
		open.browser().signUp("rsa@example.com", rsa) // where it is offered
	})
	t.Run("user", func(t *testing.T) {
		// The id of another user in the options, or in a field, changes nothing.
		b := w.browser()
		b.signIn(d)
		page := b.get("/passkey/enroll")
		second := newDevice()
		credential := second.make(t, option(t, page.form("").Data, "user", map[string]string{"id": "AAAA", "name": "eve", "displayName": "eve"}))
		b.fill(page, credential, "user_id", "eve").want(200, "passkey.added")
		w.browser().signIn(second).want(400, "invalid_passkey") // its handle is not the one that was sealed
		refused := newDevice()
		page = b.get("/passkey/enroll")
		r := b.Request(http.MethodPost, full("/passkey/enroll"), nil)
		r.Header.Set("Content-Type", "application/json")
		body, err := json.Marshal(map[string]string{"ceremony": page.form("").Hidden["ceremony"], "credential": refused.make(t, page.form("").Data), "user_id": "eve"})
		if err != nil {
			t.Fatal(err)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		b.send(r).want(400, "invalid_request")
	})
	t.Run("sealed state", func(t *testing.T) {
		b := w.browser()
		page := b.get("/passkey/authorize")
		f := page.form("")
		for _, ceremony := range []string{"", "x", f.Hidden["ceremony"] + "A", f.Hidden["ceremony"][:40], strings.Replace(f.Hidden["ceremony"], "v1.", "v2.", 1)} {
			b.post(f.URL, "state", f.Hidden["state"], "ceremony", ceremony, "credential", d.show(t, f.Data)).want(400, "expired_passkey")
		}
	})
	t.Run("another server", func(t *testing.T) { // with the same keys, for other people
		b := w.browser()
		b.signIn(d)
		mine := b.get("/passkey/enroll").form("")
		other := w.browser()
		other.signUp("eve@example.com", newDevice())
		other.post("/passkey/enroll", "ceremony", mine.Hidden["ceremony"], "credential", newDevice().make(t, mine.Data)).want(400, "expired_passkey")
	})
}
