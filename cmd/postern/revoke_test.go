package main

import (
	"database/sql"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/internal/returnto"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store/sqlstore"
)

// sqliteProgram is a program over a new SQLite file, with the file's database and its URL.
func sqliteProgram(t *testing.T) (*session.Sessions, *session.Kind[map[string]string], *sql.DB, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a.db")
	db, err := sql.Open("sqlite", sqlstore.DSN(path))
	if err != nil {
		t.Fatal(err)
	}
	st, err := sqlstore.Open(t.Context(), sqlstore.Config{DB: db, Dialect: sqlstore.SQLite, Now: func() time.Time { return noon }, SkipSweep: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close(); db.Close() })
	s, user := program(t, st)
	return s, user, db, "sqlite:" + path
}

// A person without a live session may be about to get one: the code of a sign-in that just ended is not redeemed yet.
func TestSessionsRevoke_CodeUnderWay(t *testing.T) {
	const verifier, challenge = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM" // RFC 7636 appendix B
	s, user, _, at := sqliteProgram(t)
	redeem := func(revoked string) (status int, body string) {
		t.Helper()
		w := httptest.NewRecorder()
		ret := returnto.New("https://app.example.com/callback", "st", challenge, "api")
		if err := user.Code(w, httptest.NewRequest("GET", "/", nil), session.Grant[map[string]string]{Subject: "u1"}, ret); err != nil {
			t.Fatal(err)
		}
		back, err := w.Result().Location()
		if err != nil {
			t.Fatal(err)
		}
		if out, errs, status := call(t, "", "sessions", "revoke", "--issuer", issuerURL, "--store", at, "--subject", revoked); status != 1 || out != "" || !strings.Contains(errs, "Codes that were not redeemed yet have ended") {
			t.Errorf("revoke: %d %s%s", status, out, errs)
		}
		form := url.Values{
			"grant_type": {"authorization_code"}, "code": {back.Query().Get("code")}, "code_verifier": {verifier},
			"redirect_uri": {"https://app.example.com/callback"}, "client_id": {"api"},
		}
		r := httptest.NewRequest("POST", "https://api.example.com/auth/token", strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w = httptest.NewRecorder()
		s.Handler().ServeHTTP(w, r)
		return w.Code, w.Body.String()
	}
	if status, body := redeem("u1"); status != 400 || !strings.Contains(body, "invalid_grant") {
		t.Errorf("the code of who was revoked: %d %s", status, body)
	}
	if status, body := redeem("u2"); status != 200 {
		t.Errorf("the code of another: %d %s", status, body)
	}
}

// A row that cannot be read keeps sessions from being counted, not from being ended.
func TestSessionsRevoke_DamagedRow(t *testing.T) {
	s, user, db, at := sqliteProgram(t)
	var tokens [2]session.Tokens
	for i := range tokens {
		var err error
		if tokens[i], err = user.Create(t.Context(), session.Grant[map[string]string]{Subject: "u1"}); err != nil {
			t.Fatal(err)
		}
	}
	_, tail, _ := strings.Cut(tokens[0].SessionID, ".")
	if _, err := db.Exec("UPDATE postern_items SET value = '{' WHERE id = ?", tail); err != nil {
		t.Fatal(err)
	}
	out, errs, status := call(t, "", "sessions", "revoke", "--issuer", issuerURL, "--store", at, "--subject", "u1")
	if status != 1 || out != "" || !strings.Contains(errs, "of u1 (kind user) have ended, but they could not be counted") || !strings.Contains(errs, "does not decode") {
		t.Errorf("revoke: %d %s%s", status, out, errs)
	}
	if _, err := s.Refresh(t.Context(), tokens[1].Refresh); session.Reason(err) != "ended" {
		t.Errorf("the session beside it: %v", err)
	}
}
