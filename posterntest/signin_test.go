package posterntest_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/magic"
	"github.com/posternauth/postern/posterntest"
	"github.com/posternauth/postern/session"
)

func text(t *testing.T, res *http.Response) string {
	t.Helper()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func withDoor(t *testing.T, c posterntest.ProviderConfig, formPost bool) (*app, *posterntest.Provider) {
	t.Helper()
	c.Algorithm = "ES256"
	p := posterntest.NewProvider(t, c)
	a := startApp(t, func(base string) map[string]postern.Provider {
		p.Allow(base + "/auth/door/callback")
		return map[string]postern.Provider{"door": door{p, formPost}}
	})
	return a, p
}

func TestSignIn(t *testing.T) {
	for _, formPost := range []bool{false, true} {
		a, p := withDoor(t, posterntest.ProviderConfig{}, formPost)
		client := posterntest.Client(t)
		res := posterntest.SignIn(t, client, a.url+"/auth/door/authorize")
		if body := text(t, res); res.StatusCode != 200 || body != "hello 10001" {
			t.Errorf("form_post %v: %d %s", formPost, res.StatusCode, body)
		}
		p.SetUser(posterntest.User{Subject: "42"})
		if res := posterntest.SignIn(t, client, a.url+"/auth/door/authorize"); text(t, res) != "hello 42" {
			t.Errorf("form_post %v: another user: %d", formPost, res.StatusCode)
		}
		if p.Calls(posterntest.AtToken) != 2 || p.Calls(posterntest.AtAuthorize) != 2 || p.Calls(posterntest.AtJWKS) != 0 {
			t.Errorf("%d token calls, %d authorize calls", p.Calls(posterntest.AtToken), p.Calls(posterntest.AtAuthorize))
		}
		if p.ResetCalls(); p.Calls(posterntest.AtToken) != 0 {
			t.Error("ResetCalls left a count")
		}
	}
}

func TestSignInStaysOnThisMachine(t *testing.T) {
	a, _ := withDoor(t, posterntest.ProviderConfig{}, false)
	res := posterntest.SignIn(t, posterntest.Client(t), a.url+"/auth/door/authorize?redirect_uri=https%3A%2F%2Fexample.com%2F&state=mine")
	if res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != "https://example.com/?state=mine" {
		t.Errorf("%d to %q", res.StatusCode, res.Header.Get("Location"))
	}
}

func TestLoginPage(t *testing.T) {
	a, p := withDoor(t, posterntest.ProviderConfig{Page: true, Users: []posterntest.User{{Subject: "1"}, {Subject: "2"}}}, false)
	client := posterntest.Client(t)
	page := posterntest.SignIn(t, client, a.url+"/auth/door/authorize")
	if page.StatusCode != 200 || p.Calls(posterntest.AtToken) != 0 {
		t.Fatalf("%d", page.StatusCode)
	}
	if res := posterntest.Submit(t, client, page, url.Values{"user": {"2"}}); text(t, res) != "hello 2" {
		t.Errorf("%d", res.StatusCode)
	}
}

func TestFaults(t *testing.T) {
	a, p := withDoor(t, posterntest.ProviderConfig{}, false)
	for name, test := range map[string]struct {
		faults posterntest.Faults
		tokens int
	}{
		"wrong state":  {posterntest.Faults{WrongState: true}, 0},
		"token error":  {posterntest.Faults{TokenError: "invalid_grant"}, 1},
		"server error": {posterntest.Faults{Transport: map[posterntest.Endpoint]posterntest.Trouble{posterntest.AtToken: posterntest.ServerError}}, 1},
		"down":         {posterntest.Faults{Transport: map[posterntest.Endpoint]posterntest.Trouble{"": posterntest.Down}}, 1},
	} {
		p.SetFaults(test.faults)
		p.ResetCalls()
		res := posterntest.SignIn(t, posterntest.Client(t), a.url+"/auth/door/authorize")
		if res.StatusCode != 400 || p.Calls(posterntest.AtToken) != test.tokens {
			t.Errorf("%s: status %d, %d token calls", name, res.StatusCode, p.Calls(posterntest.AtToken))
		}
	}
	p.SetFaults(posterntest.Faults{})
	if res := posterntest.SignIn(t, posterntest.Client(t), a.url+"/auth/door/authorize"); text(t, res) != "hello 10001" {
		t.Errorf("without faults: %d", res.StatusCode)
	}
}

func TestProviderRefusesAnUnregisteredCallback(t *testing.T) {
	p := posterntest.NewProvider(t, posterntest.ProviderConfig{Algorithm: "ES256"})
	a := startApp(t, func(string) map[string]postern.Provider { return map[string]postern.Provider{"door": door{idp: p}} })
	res := posterntest.SignIn(t, posterntest.Client(t), a.url+"/auth/door/authorize")
	if res.StatusCode != 400 || !strings.HasPrefix(res.Request.URL.String(), p.Issuer()) || !strings.Contains(text(t, res), "redirect_uri") {
		t.Errorf("%d at %s", res.StatusCode, res.Request.URL)
	}
}

func TestRotateKeysChangesWhatIsPublished(t *testing.T) {
	p := posterntest.NewProvider(t, posterntest.ProviderConfig{Algorithm: "ES256"})
	keys := func() string {
		res, err := p.Client().Get(p.URL("/jwks"))
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		return text(t, res)
	}
	first := keys()
	p.RotateKeys(true)
	both := keys()
	p.RotateKeys(false)
	if last := keys(); strings.Count(both, `"kid"`) != 2 || strings.Count(last, `"kid"`) != 1 || first == last {
		t.Errorf("%s\n%s\n%s", first, both, last)
	}
}

func TestMail(t *testing.T) {
	a := startApp(t, func(string) map[string]postern.Provider {
		return map[string]postern.Provider{"link": magic.Link(magic.Config{}), "code": magic.Code(magic.Config{})}
	})
	mail := a.mail
	client := posterntest.Client(t)
	page := posterntest.SignIn(t, client, a.url+"/auth/link/authorize")
	posterntest.Submit(t, client, page, url.Values{"email": {"Ada@Example.com"}})
	page = posterntest.SignIn(t, client, mail.Last(t, "ada@example.com").Arg("link"))
	if res := posterntest.Submit(t, client, page, nil); text(t, res) != "hello ada@example.com" {
		t.Errorf("link: %d %s", res.StatusCode, text(t, page))
	}

	client = posterntest.Client(t)
	page = posterntest.Submit(t, client, posterntest.SignIn(t, client, a.url+"/auth/code/authorize"), url.Values{"email": {"alan@example.org"}})
	res := posterntest.Submit(t, client, page, url.Values{"code": {mail.Last(t, "alan@example.org").Arg("code")}})
	if text(t, res) != "hello alan@example.org" || len(mail.Messages()) != 2 {
		t.Errorf("code: %d, %d messages", res.StatusCode, len(mail.Messages()))
	}
	if why := mustFail(t, func(t posterntest.T) { mail.Last(t, "nobody@example.com") }); !strings.Contains(why, "no mail") {
		t.Error(why)
	}
}

func TestMailFails(t *testing.T) {
	var mail posterntest.Mail
	mail.Fail(io.ErrClosedPipe)
	if err := mail.Send(t.Context(), postern.Mail{To: "a@example.com"}); err != io.ErrClosedPipe || len(mail.Messages()) != 0 {
		t.Errorf("%v, %d messages", err, len(mail.Messages()))
	}
	mail.Fail(nil)
	if err := mail.Send(t.Context(), postern.Mail{To: "a@example.com"}); err != nil || len(mail.Messages()) != 1 {
		t.Errorf("%v, %d messages", err, len(mail.Messages()))
	}
}

func TestTokenAndClock(t *testing.T) {
	clock := posterntest.NewClock(time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC))
	kind := session.NewKind[user](posterntest.Sessions(t, session.Config{Now: clock.Now}), "user")
	token := posterntest.Token(t, kind, session.Grant[user]{Subject: "u1", Properties: user{"u1"}})
	me := kind.Require(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	status := func(token string) int {
		w := httptest.NewRecorder()
		me.ServeHTTP(w, posterntest.Sign(httptest.NewRequest("GET", "/me", nil), token))
		return w.Code
	}
	if status(token) != http.StatusNoContent || status(token+"x") != http.StatusUnauthorized {
		t.Errorf("fresh: %d, altered: %d", status(token), status(token+"x"))
	}
	clock.Advance(24 * time.Hour)
	if status(token) != http.StatusUnauthorized || clock.Now().Day() != 3 {
		t.Errorf("a day later: %d", status(token))
	}
	mustFail(t, func(t posterntest.T) { posterntest.Token(t, kind, session.Grant[user]{}) })
	mustFail(t, func(t posterntest.T) { posterntest.Sessions(t, session.Config{Issuer: "nonsense"}) })
	if since := time.Since(posterntest.NewClock(time.Time{}).Now()); since < 0 || since > time.Minute {
		t.Errorf("the zero time stands for %v ago", since)
	}
}

func TestSubmitSaysWhatItDidNotFind(t *testing.T) {
	a, _ := withDoor(t, posterntest.ProviderConfig{Page: true}, false)
	client := posterntest.Client(t)
	page := posterntest.SignIn(t, client, a.url+"/auth/door/authorize")
	why := mustFail(t, func(t posterntest.T) { posterntest.Submit(t, client, page, url.Values{"nonsense": {"x"}}) })
	if !strings.Contains(why, "nonsense") || strings.Contains(why, "state=") {
		t.Error(why)
	}
	mustFail(t, func(t posterntest.T) { posterntest.SignIn(t, client, "http://127.0.0.1:1/") })
}
