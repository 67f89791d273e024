package authcode

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/jose"
)

// TestA2_TextTrue: with TextTrue the text "true" proves an address, and no other spelling does.
func TestA2_TextTrue(t *testing.T) {
	for value, ok := range map[string][2]bool{
		`true`: {true, true}, `"true"`: {false, true}, `"TRUE"`: {}, `"1"`: {}, `1`: {}, `" true"`: {}, `"true "`: {}, `"\u0074rue"`: {}, `false`: {}, `"false"`: {}, `null`: {}, `["true"]`: {},
	} {
		for i, text := range []bool{false, true} {
			c := Claims{TextTrue: text}
			if err := jose.Object(`{"email_verified":`+value+`,"phone_number_verified":`+value+`}`, c.Read); err != nil {
				t.Fatal(err)
			}
			if c.EmailVerified != ok[i] || c.PhoneVerified != ok[i] {
				t.Errorf("%s, text %v: %+v", value, text, c)
			}
		}
	}
}

// TestNoPKCE: no PKCE parameter is sent to a service that refuses PKCE.
func TestNoPKCE(t *testing.T) {
	server, hc, asked := endpoint(t, http.StatusOK, good)
	server.AuthMethod = AuthPost
	c := &Client{ID: "id", Secret: secret("s"), HTTP: hc, NoPKCE: true}
	if _, err := c.exchange(t.Context(), server, "code", "https://app/cb", "verifier", time.Now()); err != nil {
		t.Fatal(err)
	}
	if form, _ := asked(); form.Has("code_verifier") || form.Get("code") != "code" {
		t.Errorf("%v", form)
	}
}

// TestSlackCodes: the error codes of Slack for a code that no longer works.
func TestSlackCodes(t *testing.T) {
	for _, word := range []string{"invalid_code", "code_already_used"} {
		var e *postern.Error
		if err := refused(word, ""); !errors.As(err, &e) || e.Status != http.StatusBadRequest || e.Code != "invalid_code" {
			t.Errorf("%s: %v", word, err)
		}
	}
}
