package totp_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// TestAccount_LeadsToTheFactors: the account of a person names where each factor is seen and begun.
func TestAccount_LeadsToTheFactors(t *testing.T) {
	w := newWorld(t)
	b := w.program()
	b.signIn("ada")
	var account struct {
		Factors []struct {
			Name, Enroll, Manage string
			Count                int
			Backup               bool
		}
	}
	a := b.get("/account")
	if err := json.Unmarshal(a.Body.Bytes(), &account); err != nil || len(account.Factors) != 2 {
		t.Fatalf("%d %v %s", a.Code, err, a.Body)
	}
	for _, f := range account.Factors {
		if f.Backup != (f.Name == "recovery") || f.Count != 0 {
			t.Errorf("%+v", f)
		}
		want(t, b.get(strings.TrimPrefix(f.Manage, issuer)), http.StatusOK, f.Name+".status")
		if f.Name == "totp" {
			want(t, b.get(strings.TrimPrefix(f.Enroll, issuer)), http.StatusOK, "totp.enroll")
		}
	}
}
