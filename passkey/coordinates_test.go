package passkey

import (
	"encoding/base64"
	"strings"
	"testing"
	"testing/cryptotest"
	"time"

	virtual "github.com/descope/virtualwebauthn"

	"github.com/posternauth/postern/internal/test/virtualkey"
)

// TestW1_LeadingZeros: keys and signatures whose numbers begin with zero bytes are registered and sign people in, as
// any others. A key without these bytes is refused (RFC 9053, section 7.1.1: "leading-zero octets MUST be preserved").
func TestW1_LeadingZeros(t *testing.T) {
	cryptotest.SetGlobalRandom(t, 1)
	p := party{id: "example.org", origins: []string{"https://example.org"}, algs: []int{-7}}
	rp := virtual.RelyingParty{ID: "example.org", Origin: "https://example.org"}
	device := virtual.NewAuthenticator()
	const keys = 1500
	zeros, signatures := 0, 0
	for range keys {
		c := ceremony{Challenge: random(32), Algs: p.algs}
		challenge, _ := base64.RawURLEncoding.DecodeString(c.Challenge)
		options := virtual.AttestationOptions{Challenge: challenge}
		credential := virtual.NewCredential(virtual.KeyTypeEC2)
		written := credential.Key.AttestationData()

		r, err := p.register(c, virtualkey.Create(rp, device, credential, options))
		if err != nil {
			t.Fatalf("key %x: %s", written, reason(err))
		}
		if len(r.Key) != 77 { // 10 bytes, x, 3 bytes, y
			t.Fatalf("stored key %x", r.Key)
		}
		if x, y := r.Key[10], r.Key[45]; x == 0 || y == 0 {
			zeros++
			_, err := p.register(c, virtual.CreateAttestationResponse(rp, device, credential, options))
			if !strings.Contains(reason(err), "coordinate has invalid length") {
				t.Errorf("without its zero bytes, key %x: %s", written, reason(err))
			}
			if zeros == 1 {
				t.Logf("accepted %x\nrefused  %x: %s", r.Key, written, reason(err))
			}
		}

		credential.Counter = 1
		s, err := read(virtual.CreateAssertionResponse(rp, device, credential, virtual.AssertionOptions{Challenge: challenge}))
		if err == nil {
			_, _, err = p.assert(c, s, r, true, time.Time{})
		}
		if err != nil {
			t.Fatalf("key %x, assertion: %s", r.Key, reason(err))
		}
		if signature := s.parsed.Response.Signature; signature[3] < 32 || signature[5+signature[3]] < 32 { // DER leaves zero bytes out
			signatures++
		}
	}
	t.Logf("%d keys: %d with a coordinate and %d with a number of the signature that begin with a zero byte", keys, zeros, signatures)
	if zeros == 0 || signatures == 0 {
		t.Error("nothing was tried: more keys are needed")
	}
}
