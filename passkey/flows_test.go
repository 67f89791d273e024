package passkey_test

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	virtual "github.com/descope/virtualwebauthn"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/session"
)

func synced(o *virtual.AuthenticatorOptions)     { o.BackupEligible, o.BackupState = true, true }
func unverified(o *virtual.AuthenticatorOptions) { o.UserNotVerified = true }
func absent(o *virtual.AuthenticatorOptions)     { o.UserNotPresent, o.UserNotVerified = true, true }

// TestFlow_SignUpAndSignIn: a passkey is made at the end of a sign-up, and then signs in without a name. That is two
// factors.
func TestFlow_SignUpAndSignIn(t *testing.T) {
	for _, c := range []struct {
		name, amr string
		device    *device
	}{
		{"ada@example.com", "hwk user mfa", newDevice()},
		{"ada", "swk user mfa", newDevice(synced)},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			b := w.browser()
			u := b.signUp(c.name, c.device)
			if s := b.session(); s == nil || s.Subject != u || b.amr() != c.amr {
				t.Fatalf("after sign-up: %+v", s)
			}
			if h := w.head(u); h.Ways.Passkeys != 1 || h.Due() {
				t.Errorf("head %+v", h)
			}
			again := w.browser()
			again.signIn(c.device).want(200, "https://app.example.com/")
			if s := again.session(); s == nil || s.Subject != u || again.amr() != c.amr {
				t.Errorf("after sign-in: %+v", s)
			}
		})
	}
}

// TestFlow_AnswersAsForm: the page is HTML with the script, and the credential is a hidden field of a form.
func TestFlow_AnswersAsForm(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	b.Header.Set("Accept", "text/html")
	a := b.get("/passkey/authorize")
	for _, part := range []string{`autocomplete="username webauthn"`, `name="credential"`, `data-options="{`, `<script src="/auth/passkey/`} {
		if !strings.Contains(a.Body.String(), part) {
			t.Errorf("no %s in\n%s", part, a.Body)
		}
	}
	if policy := a.Header().Get("Content-Security-Policy"); !strings.Contains(policy, "script-src https://auth.example.com/auth/passkey/") ||
		!strings.Contains(policy, "require-trusted-types-for 'script'") {
		t.Errorf("policy %q", policy)
	}
	_, path, _ := strings.Cut(a.Body.String(), `<script src="/auth`)
	path, _, _ = strings.Cut(path, `"`)
	js := b.get(path)
	if js.Code != 200 || js.Header().Get("Cache-Control") != "public, max-age=31536000, immutable" || !strings.HasPrefix(js.Header().Get("Content-Type"), "text/javascript") {
		t.Errorf("script: %d %v", js.Code, js.Header())
	}
	b.get("/passkey/AAAAAAAAAAAAAAAA.js").want(404, "")
}

// TestFlow_NoScript: without JavaScript the form has no credential, and the answer says what to do.
func TestFlow_NoScript(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	page := b.get("/passkey/authorize")
	b.fill(page, "").want(400, "no_passkey")
}

// TestFlow_Enroll: a person with a password adds a passkey, and signs in with it.
func TestFlow_Enroll(t *testing.T) {
	w := newWorld(t)
	b, d := w.browser(), newDevice(synced)
	u := b.signUpPassword("ada@example.com")
	a := b.enroll(d).want(200, "passkey.added")
	if len(a.page.Lines) != 1 || a.page.Lines[0].Label != "Passkey" || !strings.Contains(a.page.Lines[0].Value, "synced") {
		t.Errorf("list: %+v", a.page.Lines)
	}
	if s := b.session(); s == nil || s.Subject != u {
		t.Errorf("the session has ended")
	}
	if h := w.head(u); h.Ways.Passkeys != 1 || h.Due() || h.Sec != 0 {
		t.Errorf("head %+v", h)
	}
	if !slices.Contains(w.notices("ada@example.com"), "passkey.added") || !slices.Contains(w.events(), "passkey added") {
		t.Error("no notice, or no event")
	}
	w.browser().signIn(d).want(200, "https://app.example.com/")
	other := w.browser()
	other.signInPassword("ada@example.com").want(200, "https://app.example.com/")
	if other.amr() != "pwd" {
		t.Errorf("a passkey of itself makes nothing due: %s", other.amr())
	}
}

// TestFlow_StepUp: an account that is old in its session asks for a passkey before it changes one.
func TestFlow_StepUp(t *testing.T) {
	w := newWorld(t)
	b, d := w.browser(), newDevice()
	u := b.signUp("ada@example.com", d)
	w.Advance(11 * time.Minute)
	a := b.get("/passkey/enroll").want(401, "insufficient_user_authentication")
	a = b.get(a.page.StepUp)
	for _, l := range a.page.Links {
		if l.Name == "provider:passkey" {
			a = b.get(l.URL)
			break
		}
	}
	a.want(200, "passkey.confirm")
	var o struct {
		PublicKey struct {
			UserVerification string
			AllowCredentials []struct{ ID string }
		}
	}
	if err := json.Unmarshal(a.form("").Data, &o); err != nil || o.PublicKey.UserVerification != "required" || len(o.PublicKey.AllowCredentials) != 1 {
		t.Fatalf("options %s", a.form("").Data)
	}
	before := b.session().ID
	b.fill(a, d.show(t, a.form("").Data)).want(200, "https://app.example.com/")
	if s := b.session(); s == nil || s.ID == before || s.Subject != u || b.amr() != "hwk user mfa stepup" {
		t.Errorf("after the step-up: %s %+v", b.amr(), s)
	}
	b.enroll(newDevice()).want(200, "passkey.added")
}

// TestFlow_Factor: with "ask for it each time" a passkey is due after a password. That a person is there is enough.
func TestFlow_Factor(t *testing.T) {
	w := newWorld(t)
	b, d := w.browser(), newDevice(synced)
	u := b.signUpPassword("ada@example.com")
	b.enroll(d)
	page := b.post("/passkey/ask", "ask", "on").want(200, "passkey.ask")
	b.fill(page, d.show(t, page.form("").Data)).want(200, "passkey.set")
	if h := w.head(u); h.Factors["passkey"] != 1 {
		t.Fatalf("head %+v", h)
	}
	if b.session() == nil {
		t.Fatal("the session that set it has ended")
	}
	d.Options.UserNotVerified = true
	other := w.browser()
	page = other.signInPassword("ada@example.com").want(200, "passkey.verify")
	if other.session() != nil {
		t.Fatal("a session without the factor")
	}
	for range 6 { // without a script there is no passkey: it compares nothing, and costs no guess
		page = other.fill(page, "").want(400, "no_passkey")
	}
	other.fill(page, d.show(t, page.form("").Data)).want(200, "https://app.example.com/")
	if other.amr() != "pwd swk mfa" {
		t.Errorf("amr %s", other.amr())
	}
	other.post("/passkey/ask", "ask", "off").want(200, "passkey.set")
	if h := w.head(u); h.Due() {
		t.Errorf("head %+v", h)
	}
	w.browser().signInPassword("ada@example.com").want(200, "https://app.example.com/")
}

// TestFlow_RequiredFactor: where a factor is demanded, the sign-in waits until the person has a passkey.
func TestFlow_RequiredFactor(t *testing.T) {
	w := newWorld(t, func(o *options) {
		o.config = func(c *postern.Config) { c.RequireFactor = requireAll }
	})
	b, d := w.browser(), newDevice()
	page := b.post("/password/sign-up", "state", b.apply("ada@example.com"), "password", phrase).want(200, "postern.enroll")
	page = b.get(page.page.Links[0].URL).want(200, "passkey.enroll")
	page = b.fill(page, d.make(t, page.form("").Data)).want(200, "passkey.added")
	f := page.form("continue")
	b.post(f.URL, "state", f.Hidden["state"]).want(200, "https://app.example.com/")
	if b.amr() != "pwd hwk user mfa" {
		t.Errorf("amr %s", b.amr())
	}
	other := w.browser()
	page = other.signInPassword("ada@example.com").want(200, "passkey.verify")
	other.fill(page, d.show(t, page.form("").Data)).want(200, "https://app.example.com/")
	w.browser().signIn(d).want(200, "https://app.example.com/") // one step
}

// TestFlow_Remove: a removed passkey signs nobody in, ends what was signed in, and its device gets a signal.
func TestFlow_Remove(t *testing.T) {
	w := newWorld(t)
	b, d, second := w.browser(), newDevice(), newDevice()
	u := b.signUp("ada@example.com", d)
	list := b.get("/passkey/list").want(200, "passkey.list")
	_, id, _ := strings.Cut(list.page.Lines[0].Link.URL, "id=")
	b.post("/passkey/remove", "id", id).want(409, "last_way")
	second.Options.UserHandle = d.Options.UserHandle
	b.enroll(second).want(200, "passkey.added")
	elsewhere := w.browser()
	elsewhere.signIn(second).want(200, "https://app.example.com/")
	a := b.post("/passkey/remove", "id", id).want(200, "passkey.removed")
	if len(a.page.Lines) != 1 || strings.Contains(string(a.page.Data), "unknown") || !strings.Contains(string(a.page.Data), "signalAllAcceptedCredentials") {
		t.Errorf("after: %+v %s", a.page.Lines, a.page.Data)
	}
	if elsewhere.session() != nil || b.session() == nil {
		t.Error("another session lives, or this one has ended")
	}
	if h := w.head(u); h.Ways.Passkeys != 1 || h.Sec != 1 {
		t.Errorf("head %+v", h)
	}
	a = w.browser().signIn(d).want(400, "unknown_passkey")
	if !strings.Contains(string(a.page.Data), "signalUnknownCredential") {
		t.Errorf("data %s", a.page.Data)
	}
	b.post("/passkey/remove", "id", id).want(404, "not_found")
}

// TestFlow_Rename: people name their passkeys.
func TestFlow_Rename(t *testing.T) {
	w := newWorld(t)
	b, d := w.browser(), newDevice()
	b.signUp("ada@example.com", d)
	list := b.get("/passkey/list")
	edit := b.get(list.page.Lines[0].Link.URL).want(200, "passkey.edit")
	id := edit.form("rename").Hidden["id"]
	b.post("/passkey/rename", "id", id, "name", "  the \x01 blue\u202e key ").want(400, "invalid_request")
	a := b.post("/passkey/rename", "id", id, "name", " the  blue key ").want(200, "passkey.renamed")
	if a.page.Lines[0].Label != "the blue key" {
		t.Errorf("%+v", a.page.Lines)
	}
	b.post("/passkey/rename", "id", id, "name", strings.Repeat("é", 65)).want(400, "invalid_name")
	b.post("/passkey/rename", "id", id, "name", " ").want(400, "invalid_name")
	other := w.browser()
	other.signUp("eve@example.com", newDevice())
	other.post("/passkey/rename", "id", id, "name", "mine").want(404, "not_found")
	other.post("/passkey/remove", "id", id).want(404, "not_found")
	other.get("/passkey/edit?id="+id).want(404, "not_found")
	other.get("/passkey/edit?id=x").want(404, "not_found")
}

// TestFlow_ConditionalCreate: after a sign-in by password, the page of the application may add a passkey without a
// question of the browser: then, and only then, nobody needs to be there.
func TestFlow_ConditionalCreate(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	u := b.signUpPassword("ada@example.com")
	page := b.post("/passkey/enroll", "mediation", "conditional").want(200, "passkey.enroll")
	if !strings.Contains(string(page.form("").Data), `"mediation":"conditional"`) || !strings.Contains(string(page.form("").Data), `"userVerification":"preferred"`) {
		t.Fatalf("options %s", page.form("").Data)
	}
	d := newDevice(absent, synced)
	b.fill(page, d.make(t, page.form("").Data)).want(200, "passkey.added")
	if h := w.head(u); h.Ways.Passkeys != 1 {
		t.Fatalf("head %+v", h)
	}
	w.browser().signIn(d).want(400, "invalid_passkey") // nobody is there
	d.Options.UserNotPresent = false
	w.browser().signIn(d).want(400, "passkey_unverified")
	d.Options.UserNotVerified = false
	w.browser().signIn(d).want(200, "https://app.example.com/")

	page = b.get("/passkey/enroll")
	b.fill(page, newDevice(absent).make(t, page.form("").Data)).want(400, "invalid_passkey")
	page = b.get("/passkey/enroll")
	b.fill(page, newDevice(unverified).make(t, page.form("").Data)).want(400, "passkey_unverified")

	w.Advance(11 * time.Minute)
	b.post("/passkey/enroll", "mediation", "conditional").want(401, "insufficient_user_authentication")
	w.browser().post("/passkey/enroll", "mediation", "conditional").want(401, "not_signed_in")
}

// TestFlow_Many: an account has at most 20 passkeys.
func TestFlow_Many(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	u := b.signUpPassword("ada@example.com")
	page := b.get("/passkey/enroll")
	for range 20 {
		b.enroll(newDevice()).want(200, "passkey.added")
	}
	b.get("/passkey/enroll").want(409, "too_many_passkeys")
	b.fill(page, newDevice().make(t, page.form("").Data)).want(409, "too_many_passkeys")
	if h := w.head(u); h.Ways.Passkeys != 20 {
		t.Errorf("%d passkeys", h.Ways.Passkeys)
	}
	if list := b.get("/passkey/list"); len(list.page.Lines) != 20 {
		t.Errorf("%d lines", len(list.page.Lines))
	}
}

func TestFlow_Account(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	b.signUp("ada@example.com", newDevice())
	a := b.get("/account")
	if a.Code != http.StatusOK || !strings.Contains(a.Body.String(), `"passkey":"https://auth.example.com/auth/passkey/list"`) || !strings.Contains(a.Body.String(), `"passkeys":1`) {
		t.Errorf("%d %s", a.Code, a.Body)
	}
}

func requireAll(context.Context, postern.Person, session.Authentication) (postern.Requirement, error) {
	return postern.Requirement{Factor: true}, nil
}

// TestFlow_AskEachTime: a passkey that verifies its person begins it, once, and the end of the last passkey ends it.
func TestFlow_AskEachTime(t *testing.T) {
	w := newWorld(t)
	b, d := w.browser(), newDevice()
	u := b.signUpPassword("ada@example.com")
	list := b.enroll(d).want(200, "passkey.added")
	page := b.post("/passkey/ask", "ask", "on").want(200, "passkey.ask")
	d.Options.UserNotVerified = true
	page = b.fill(page, d.show(t, page.form("").Data)).want(400, "passkey_unverified")
	d.Options.UserNotVerified = false
	credential := d.show(t, page.form("").Data)
	b.fill(page, credential).want(200, "passkey.set")
	b.post("/passkey/ask", "ask", "off").want(200, "passkey.set")
	b.fill(page, credential).want(409, "changed") // the challenge is used
	if h := w.head(u); h.Due() {
		t.Fatalf("head %+v", h)
	}
	page = b.post("/passkey/ask", "ask", "on")
	b.fill(page, d.show(t, page.form("").Data)).want(200, "passkey.set")
	_, id, _ := strings.Cut(list.page.Lines[0].Link.URL, "id=")
	b.post("/passkey/remove", "id", id).want(200, "passkey.removed")
	if h := w.head(u); h.Due() || h.Ways.Passkeys != 0 {
		t.Errorf("head %+v", h)
	}
	w.browser().signInPassword("ada@example.com").want(200, "https://app.example.com/")
}
