package smtpmail_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

// A postman is a provider that sends one mail.
type postman struct{}

func (postman) Mails() bool { return true }

func (postman) Handler(f *postern.Flow) http.Handler {
	return f.Steps(map[string]http.HandlerFunc{"POST send": func(w http.ResponseWriter, r *http.Request) {
		if err := f.Mail(r.Context(), letter()); err != nil {
			f.Fail(w, r, err)
			return
		}
		fmt.Fprint(w, "look into your mailbox")
	}})
}

// request makes a handler that sends through f, and returns its answer and what it logged.
func request(t *testing.T, f *fake) (*httptest.ResponseRecorder, string) {
	t.Helper()
	ring, err := keys.Open(t.Context(), keys.RingConfig{Vault: &keys.MemoryVault{}})
	if err != nil {
		t.Fatal(err)
	}
	var logged bytes.Buffer
	log := slog.New(slog.NewTextHandler(&logged, nil))
	const issuer = "https://example.com/auth"
	sessions, err := session.New(session.Config{Issuer: issuer, Audience: "api", Keys: ring, Store: &store.Memory{}, Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	auth, err := postern.New(postern.Config{
		Sessions: sessions, Redirects: []string{"/"}, Logger: log,
		Mail:      f.sender(t).Send,
		Providers: map[string]postern.Provider{"postman": postman{}},
		OnSuccess: func(http.ResponseWriter, *http.Request, *postern.SignIn) error { return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequestWithContext(t.Context(), "POST", issuer+"/postman/send", nil)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	auth.ServeHTTP(w, r)
	return w, logged.String()
}

// A person sees the same whether the mailbox exists, and 503 where no mail can be sent.
func TestA8_SMTPRefusalIsNotShown(t *testing.T) {
	good, _ := request(t, start(t, &fake{}))
	if good.Code != http.StatusOK {
		t.Fatalf("%d %s", good.Code, good.Body)
	}
	for _, answer := range []string{"550 5.1.1 <" + ada + "> unknown", "450 4.2.0 busy", "452 4.2.2 full"} {
		w, logged := request(t, start(t, &fake{script: map[string]string{"RCPT": answer}}))
		if w.Code != good.Code || w.Body.String() != good.Body.String() {
			t.Errorf("%s: %d %s", answer, w.Code, w.Body)
		}
		if !strings.Contains(logged, answer[:9]) || strings.Contains(logged, ada) || strings.Contains(logged, secret) {
			t.Errorf("%s: log %s", answer, logged)
		}
	}
	for step, answer := range map[string]string{"greeting": "421 busy", "EHLO2": cut, "AUTH": "535 no", "MAIL": "550 no", "RCPT": "451 4.3.0 later", "END": cut} {
		w, logged := request(t, start(t, &fake{script: map[string]string{step: answer}}))
		if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
			t.Errorf("%s at %s: %d %s", answer, step, w.Code, w.Body)
		}
		if !strings.Contains(logged, "smtpmail") || strings.Contains(logged, ada) || strings.Contains(logged, secret) {
			t.Errorf("%s at %s: log %s", answer, step, logged)
		}
	}
}
