package session_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/session"
)

// TestS12_ACR: a route that needs a class of sign-in names it, with the page where the person gives it (RFC 9470).
func TestS12_ACR(t *testing.T) {
	h := newKeeper(t)
	kind := session.NewKindConfig(h.sessions, session.KindConfig[User]{Name: "stepped", StepUp: "https://auth.example.com/step-up"})
	for _, c := range []struct {
		methods []string
		class   string
		ok      bool
	}{
		{[]string{"pwd"}, session.ACRMultiFactor, false},
		{[]string{"pwd", "otp", "mfa"}, session.ACRMultiFactor, true},
		{[]string{"pwd", "otp", "mfa"}, session.ACRPhishingResistant, false},
		{[]string{"swk", "user", "mfa"}, session.ACRPhishingResistant, true},
		{[]string{"swk", "user", "mfa"}, session.ACRHardware, false},
		{[]string{"hwk", "user", "mfa"}, session.ACRHardware, true},
		{[]string{"hwk", "user", "mfa"}, session.ACRPhishingResistant, true},
		{[]string{"hwk"}, session.ACRPhishingResistant, false}, // no user verification
		{nil, session.ACRMultiFactor, false},
	} {
		tokens, err := kind.Create(t.Context(), session.Grant[User]{Subject: "u", Authentication: session.Authentication{Time: h.Now(), Methods: c.methods}})
		if err != nil {
			t.Fatal(err)
		}
		guarded := kind.Require(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), session.ACR(c.class), session.Fresh(10*time.Minute))
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Authorization", "Bearer "+tokens.Access)
		w := httptest.NewRecorder()
		guarded.ServeHTTP(w, r)
		if c.ok != (w.Code == http.StatusOK) {
			t.Errorf("%v for %s: %d %s", c.methods, c.class, w.Code, w.Body)
		}
		if !c.ok {
			header, body := w.Header().Get("WWW-Authenticate"), w.Body.String()
			if w.Code != http.StatusUnauthorized || !strings.Contains(header, `error="insufficient_user_authentication"`) || !strings.Contains(header, `acr_values="`+c.class+`"`) ||
				!strings.Contains(body, `"step_up":"https://auth.example.com/step-up?acr_values=`+c.class+`"`) {
				t.Errorf("%d %s\n%s", w.Code, header, body)
			}
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("an unknown class is accepted")
		}
	}()
	session.ACR("gold")
}
