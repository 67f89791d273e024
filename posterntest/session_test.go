package posterntest_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/posterntest"
	"github.com/posternauth/postern/session"
)

func TestSignedIn(t *testing.T) {
	for _, tc := range []struct {
		name  string
		start func(http.Handler) *httptest.Server
	}{{"http", httptest.NewServer}, {"https", httptest.NewTLSServer}} {
		t.Run(tc.name, func(t *testing.T) {
			mux := http.NewServeMux()
			server := tc.start(mux)
			defer server.Close()
			clock := posterntest.NewClock(time.Time{})
			sessions := posterntest.Sessions(t, session.Config{Issuer: server.URL + "/auth", Now: clock.Now})
			kind := session.NewKind[user](sessions, "user")
			mux.Handle("/me", kind.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusNoContent) })))
			client := posterntest.Client(t)
			tokens := posterntest.SignedIn(t, client, server.URL+"/somewhere", kind, session.Grant[user]{Subject: "u1"})
			status := func() int {
				t.Helper()
				res, err := client.Get(server.URL + "/me")
				if err != nil {
					t.Fatal(err)
				}
				res.Body.Close()
				return res.StatusCode
			}
			for range 2 { // the token before the last could be that of a lost answer; the one before it is a copy
				clock.Advance(6 * time.Minute)
				if got := status(); got != http.StatusNoContent {
					t.Errorf("six minutes later: %d", got)
				}
			}
			clock.Advance(2 * time.Minute)
			if _, err := sessions.Refresh(t.Context(), tokens.Refresh); session.Reason(err) != "reuse" {
				t.Errorf("the first refresh token comes again: %v", err)
			}
			clock.Advance(6 * time.Minute)
			if got := status(); got != http.StatusUnauthorized {
				t.Errorf("after a theft: %d", got)
			}
		})
	}
}

func TestSignedIn_Fails(t *testing.T) {
	sessions := posterntest.Sessions(t, session.Config{Issuer: "https://app.example.com/auth"})
	kind := session.NewKind[user](sessions, "user")
	for _, tc := range []struct {
		client           *http.Client
		url, subject, in string
	}{
		{new(http.Client), "https://app.example.com/", "u1", "set its Jar"},
		{posterntest.Client(t), "http://app.example.com/", "u1", "must be on https"},
		{posterntest.Client(t), "app.example.com", "u1", "no address"},
		{posterntest.Client(t), "https://app.example.com/", "", "Grant.Subject is missing"},
	} {
		why := mustFail(t, func(rt posterntest.T) {
			posterntest.SignedIn(rt, tc.client, tc.url, kind, session.Grant[user]{Subject: tc.subject})
		})
		if !strings.Contains(why, tc.in) {
			t.Errorf("%s: %q", tc.in, why)
		}
	}
}
