package oidc_test

import (
	"testing"
	"time"

	"github.com/posternauth/postern/internal/test/fakeidp"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/oidc"
)

// The tests of this file are the modules of the OpenID Foundation's basic certification of relying parties, by the
// names they have there (oidcc-client-test-*).

func TestOIDF_Success(t *testing.T) {
	w := one(t)
	id := accepted(t, w, "one")
	if id.Issuer != "https://idp.example" || id.Subject != "10001" || id.Provider != "one" || id.Name != "Ada Lovelace" {
		t.Errorf("%+v", id)
	}
}

func TestOIDF_InvalidIss(t *testing.T) {
	refused(t, one(t), fakeidp.Faults{WrongIssuer: true}, 400, "invalid_id_token")
}

func TestOIDF_MissingSub(t *testing.T) {
	refused(t, one(t), fakeidp.Faults{NoSubject: true}, 400, "invalid_id_token")
}

func TestOIDF_InvalidAud(t *testing.T) {
	refused(t, one(t), fakeidp.Faults{WrongAudience: true}, 400, "invalid_id_token")
	refused(t, one(t), fakeidp.Faults{MoreAudiences: true}, 400, "invalid_id_token")
}

func TestOIDF_MissingIat(t *testing.T) {
	refused(t, one(t), fakeidp.Faults{NoIssuedAt: true}, 400, "invalid_id_token")
}

// TestOIDF_KidAbsentSingleJWKS: one key that fits the algorithms, so there is nothing to choose.
func TestOIDF_KidAbsentSingleJWKS(t *testing.T) {
	w := one(t)
	w.IdP.SetFaults(fakeidp.Faults{NoKeyID: true})
	accepted(t, w, "one")
}

// TestOIDF_KidAbsentMultipleJWKS: with several, the token must say which. (The module allows either.)
func TestOIDF_KidAbsentMultipleJWKS(t *testing.T) {
	w := one(t, func(c *oidc.Config) { c.Algorithms = []keys.Algorithm{keys.RS256, keys.ES256} })
	refused(t, w, fakeidp.Faults{NoKeyID: true}, 400, "invalid_id_token")
}

// TestOIDF_IDTokenSigNone: alg none is not signed, and this client never asked for it.
func TestOIDF_IDTokenSigNone(t *testing.T) {
	refused(t, one(t), fakeidp.Faults{AlgNone: true}, 400, "invalid_id_token")
}

func TestOIDF_InvalidSigRS256(t *testing.T) {
	refused(t, one(t), fakeidp.Faults{BadSignature: true}, 400, "invalid_id_token")
}

func TestOIDF_InvalidSigES256(t *testing.T) {
	w := one(t, func(c *oidc.Config) { c.Algorithms = []keys.Algorithm{keys.ES256} })
	w.IdP = w.NewIdP("https://idp.example", "ES256")
	accepted(t, w, "one")
	w = one(t, func(c *oidc.Config) { c.Algorithms = []keys.Algorithm{keys.ES256} })
	w.IdP = w.NewIdP("https://idp.example", "ES256")
	refused(t, w, fakeidp.Faults{BadSignature: true}, 400, "invalid_id_token")
}

func TestOIDF_InvalidSigHS256(t *testing.T) {
	refused(t, one(t), fakeidp.Faults{HMAC: true}, 400, "invalid_id_token")
	w := one(t, func(c *oidc.Config) { c.Algorithms = []keys.Algorithm{keys.RS256, keys.ES256} })
	refused(t, w, fakeidp.Faults{HMAC: true}, 400, "invalid_id_token")
	hs := oidc.Config{Issuer: "https://idp.example", ClientID: "a", ClientSecret: "b", Algorithms: []keys.Algorithm{keys.HS256}}
	if oidc.New(hs).Check() == nil {
		t.Error("HS256 can be configured")
	}
}

func TestOIDF_NonceInvalid(t *testing.T) {
	refused(t, one(t), fakeidp.Faults{WrongNonce: true}, 400, "invalid_id_token")
	refused(t, one(t), fakeidp.Faults{NoNonce: true}, 400, "invalid_id_token")
}

func TestOIDF_UserInfoInvalidSub(t *testing.T) {
	w := one(t, func(c *oidc.Config) { c.UserInfo = true })
	refused(t, w, fakeidp.Faults{OtherSubject: true}, 502, "provider_error")
}

func TestOIDF_DiscoveryIssuerMismatch(t *testing.T) {
	w := one(t)
	w.IdP.SetFaults(fakeidp.Faults{WrongDiscoveryIssuer: true})
	if a := w.Browser().Get("https://app.example/auth/one/authorize"); a.Status != 502 || a.Code() != "provider_error" {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	if w.IdP.Calls(fakeidp.Authorize)+w.IdP.Calls(fakeidp.Token) != 0 {
		t.Error("the provider was used")
	}
}

func TestOIDF_SigningKeyRotation(t *testing.T) {
	w := one(t)
	accepted(t, w, "one")
	if err := w.IdP.RotateKeys(true); err != nil {
		t.Fatal(err)
	}
	w.Advance(20 * time.Second)
	accepted(t, w, "one")
}

// TestOIDF_SigningKeyRotationJustBeforeSigning: the old key is gone, and the new one signs at once.
func TestOIDF_SigningKeyRotationJustBeforeSigning(t *testing.T) {
	w := one(t)
	accepted(t, w, "one")
	b := w.Browser()
	at := b.Begin("one")
	w.Advance(20 * time.Second)
	if err := w.IdP.RotateKeys(false); err != nil {
		t.Fatal(err)
	}
	if a := b.Get(b.Agree(at)); a.Status != 200 {
		t.Errorf("%d %s\n%s", a.Status, a.Body, w.Log())
	}
}
