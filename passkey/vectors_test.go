package passkey

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"math/big"
	"os"
	"strings"
	"testing"
	"time"

	_ "crypto/sha512" // ES384 and ES512 of the vectors

	"github.com/go-webauthn/webauthn/protocol"

	"github.com/posternauth/postern"
)

// A vector is one of the 15 pairs of section 16 of WebAuthn Level 3, see testdata/README.md.
type vector struct {
	Name, PrivateKey, CredentialID string
	Registration                   struct{ Challenge, ClientDataJSON, AttestationObject string }
	Authentication                 struct{ Challenge, ClientDataJSON, AuthenticatorData, Signature string }
}

func vectors(t *testing.T) (all []vector) {
	t.Helper()
	text, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &all); err != nil || len(all) != 15 {
		t.Fatalf("%d vectors, %v", len(all), err)
	}
	return all
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// specParty is the relying party of the vectors, with every algorithm of them.
func specParty() party {
	return party{id: "example.org", origins: []string{"https://example.org"}, algs: []int{-7, -8, -257}}
}

// A sample is a vector in parts that a test can change.
type sample struct {
	t         *testing.T
	v         vector
	client    []byte // clientDataJSON
	data      []byte // authenticator data
	object    []byte // attestationObject; nil: none, with data
	id        []byte
	signature []byte
	challenge string
}

func (v vector) registration(t *testing.T) *sample {
	s := &sample{t: t, v: v, client: unhex(t, v.Registration.ClientDataJSON), object: unhex(t, v.Registration.AttestationObject), id: unhex(t, v.CredentialID),
		challenge: encoded(unhex(t, v.Registration.Challenge))}
	parsed, err := protocol.ParseCredentialCreationResponseBytes([]byte(s.creation()))
	if err != nil {
		t.Fatal(err)
	}
	s.data = bytes.Clone(parsed.Response.AttestationObject.RawAuthData)
	return s
}

func (v vector) assertion(t *testing.T) *sample {
	return &sample{t: t, v: v, client: unhex(t, v.Authentication.ClientDataJSON), data: unhex(t, v.Authentication.AuthenticatorData), id: unhex(t, v.CredentialID),
		signature: unhex(t, v.Authentication.Signature), challenge: encoded(unhex(t, v.Authentication.Challenge))}
}

// creation is the JSON of a new credential.
func (s *sample) creation() string {
	object := s.object
	if object == nil { // as a browser sends it where no attestation was asked for
		object = append([]byte("\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x59"), binary.BigEndian.AppendUint16(nil, uint16(len(s.data)))...)
		object = append(object, s.data...)
	}
	return s.json(map[string]string{"clientDataJSON": encoded(s.client), "attestationObject": encoded(object)})
}

// shown is the JSON of a credential that is shown.
func (s *sample) shown() string {
	return s.json(map[string]string{"clientDataJSON": encoded(s.client), "authenticatorData": encoded(s.data), "signature": encoded(s.signature)})
}

func (s *sample) json(response map[string]string) string {
	text, err := json.Marshal(map[string]any{"id": encoded(s.id), "rawId": encoded(s.id), "type": "public-key", "response": response})
	if err != nil {
		s.t.Fatal(err)
	}
	return string(text)
}

// set changes a member of the client data; nil removes it.
func (s *sample) set(name string, value any) {
	var m map[string]any
	if err := json.Unmarshal(s.client, &m); err != nil {
		s.t.Fatal(err)
	}
	if m[name] = value; value == nil {
		delete(m, name)
	}
	var err error
	if s.client, err = json.Marshal(m); err != nil {
		s.t.Fatal(err)
	}
}

// flags sets and clears flags of the authenticator data.
func (s *sample) flags(on, off protocol.AuthenticatorFlags) {
	s.data[32] = s.data[32]&^byte(off) | byte(on)
}

func (s *sample) has(f protocol.AuthenticatorFlags) bool { return s.data[32]&byte(f) != 0 }

// sign signs the assertion anew with the private key of the vector, so that a change is not found by the signature.
func (s *sample) sign() {
	sum := sha256.Sum256(s.client)
	message := append(bytes.Clone(s.data), sum[:]...)
	scalar := unhex(s.t, s.v.PrivateKey)
	ec := func(c elliptic.Curve, hash crypto.Hash) {
		size := (c.Params().BitSize + 7) / 8
		key, err := ecdsa.ParseRawPrivateKey(c, append(make([]byte, size-len(scalar)), scalar...))
		if err != nil {
			s.t.Fatal(err)
		}
		h := hash.New()
		h.Write(message)
		if s.signature, err = ecdsa.SignASN1(rand.Reader, key, h.Sum(nil)); err != nil {
			s.t.Fatal(err)
		}
	}
	switch {
	case strings.HasSuffix(s.v.Name, "es384"):
		ec(elliptic.P384(), crypto.SHA384)
	case strings.HasSuffix(s.v.Name, "es512"):
		ec(elliptic.P521(), crypto.SHA512)
	case strings.HasSuffix(s.v.Name, "rs256"):
		s.signature = mersenne(message)
	case strings.HasSuffix(s.v.Name, "eddsa"):
		s.signature = ed25519.Sign(ed25519.NewKeyFromSeed(scalar), message)
	case strings.HasSuffix(s.v.Name, "ed448"):
		// no library here has it; the signature is that of the vector
	default:
		ec(elliptic.P256(), crypto.SHA256)
	}
}

// mersenne signs with the RSA key of the vectors, whose primes are 2^1279-1 and 2^2203-1 (RFC 8017 section 8.2.1).
func mersenne(message []byte) []byte {
	one := big.NewInt(1)
	p := new(big.Int).Sub(new(big.Int).Lsh(one, 1279), one)
	q := new(big.Int).Sub(new(big.Int).Lsh(one, 2203), one)
	n := new(big.Int).Mul(p, q)
	phi := new(big.Int).Mul(new(big.Int).Sub(p, one), new(big.Int).Sub(q, one))
	d := new(big.Int).ModInverse(big.NewInt(65537), phi)
	sum := sha256.Sum256(message)
	der := append(unhexConst("3031300d060960864801650304020105000420"), sum[:]...)
	size := (n.BitLen() + 7) / 8
	block := append([]byte{0, 1}, bytes.Repeat([]byte{0xff}, size-3-len(der))...)
	block = append(append(block, 0), der...)
	return new(big.Int).Exp(new(big.Int).SetBytes(block), d, n).FillBytes(make([]byte, size))
}

func unhexConst(s string) []byte {
	b, _ := hex.DecodeString(s)
	return b
}

// reason is why a credential was refused: the code, and the cause for the log.
func reason(err error) string {
	var e *postern.Error
	if !errors.As(err, &e) {
		if err == nil {
			return "accepted"
		}
		return err.Error()
	}
	if e.Err == nil {
		return e.Code
	}
	return e.Code + " " + e.Err.Error()
}

func (s *sample) register(c ceremony) (row, error) { return specParty().register(c, s.creation()) }

func (s *sample) assert(r row, verify bool) (row, bool, error) {
	parsed, err := read(s.shown())
	if err != nil {
		return r, false, err
	}
	return specParty().assert(ceremony{Challenge: s.challenge}, parsed, r, verify, time.Now())
}

// offered is a ceremony that offers the algorithms of the configuration, or more.
func (s *sample) offered(silent bool, more ...int) ceremony {
	return ceremony{Challenge: s.challenge, Algs: append(specParty().algs, more...), Silent: silent}
}

// TestW1_Vectors: the policy accepts and refuses the vectors of the specification as it should. Those that it refuses
// are accepted once the one rule is opened that refuses them.
func TestW1_Vectors(t *testing.T) {
	refused := map[string]string{
		"none-es256-crossOrigin": "cross origin flag", "none-es256-topOrigin": "cross origin flag",
		"packed-es256": errFormat.Error(), "packed-es384": errFormat.Error(), "packed-es512": errFormat.Error(), "packed-rs256": errFormat.Error(),
		"packed-eddsa": errFormat.Error(), "packed-ed448": errFormat.Error(), "tpm-es256": errFormat.Error(), "android-key-es256": errFormat.Error(),
		"apple-es256": errFormat.Error(), "fido-u2f-es256": errFormat.Error(),
	}
	for _, v := range vectors(t) {
		t.Run(v.Name, func(t *testing.T) {
			reg, shown := v.registration(t), v.assertion(t)
			verified := reg.has(protocol.FlagUserVerified)
			want := refused[v.Name]
			if want == "" && !verified {
				want = "passkey_unverified"
			} else if want == "" {
				want = "accepted"
			}
			if _, err := reg.register(reg.offered(false)); !strings.Contains(reason(err), want) {
				t.Fatalf("by the policy: %s, want %s", reason(err), want)
			}
			cross := strings.HasPrefix(refused[v.Name], "cross")
			if refused[v.Name] == errFormat.Error() {
				reg.object = nil // a browser replaces the statement where none was asked for
			}
			if cross {
				crossOrigin(t, reg, shown)
				return
			}
			if strings.HasSuffix(v.Name, "es384") || strings.HasSuffix(v.Name, "es512") || strings.HasSuffix(v.Name, "ed448") {
				if _, err := reg.register(reg.offered(!verified)); !strings.Contains(reason(err), "algorithm not supported") {
					t.Fatalf("an algorithm that was not offered: %s", reason(err))
				}
			}
			r, err := reg.register(reg.offered(!verified, -35, -36, -53))
			if v.Name == "packed-ed448" { // Go has no Ed448: it is refused where its key is read
				if _, _, err := shown.assert(row{Key: r.Key, Synced: shown.has(protocol.FlagBackupEligible)}, false); reason(err) == "accepted" {
					t.Fatal("Ed448 was accepted")
				}
				return
			}
			if err != nil {
				t.Fatalf("opened: %s", reason(err))
			}
			if !bytes.Equal(r.ID, unhex(t, v.CredentialID)) || r.Synced != reg.has(protocol.FlagBackupEligible) || len(r.Model) != 36 {
				t.Errorf("row %+v", r)
			}
			next, cloned, err := shown.assert(r, shown.has(protocol.FlagUserVerified))
			if err != nil || cloned || next.Used.IsZero() {
				t.Errorf("assertion: %s, cloned %t", reason(err), cloned)
			}
			if !shown.has(protocol.FlagUserVerified) {
				if _, _, err := shown.assert(r, true); reason(err) != "passkey_unverified" {
					t.Errorf("a first proof without verification: %s", reason(err))
				}
			}
		})
	}
}

// crossOrigin shows that nothing but the rule about frames refuses a vector.
func crossOrigin(t *testing.T, reg, shown *sample) {
	t.Helper()
	top := []string{"https://example.com"}
	parsed, err := protocol.ParseCredentialCreationResponseBytes([]byte(reg.creation()))
	if err != nil {
		t.Fatal(err)
	}
	algs := []protocol.CredentialParameter{{Type: protocol.PublicKeyCredentialType, Algorithm: -7}}
	if _, err := parsed.Verify(reg.challenge, "example.org", specParty().origins, nil, top, protocol.TopOriginExplicitVerificationMode, true, false, true,
		nil, algs, protocol.AttestationPolicy{}, protocol.SignaturePolicy{}); err != nil {
		t.Errorf("opened: %v", err)
	}
	got, err := protocol.ParseCredentialRequestResponseBytes([]byte(shown.shown()))
	if err != nil {
		t.Fatal(err)
	}
	key := parsed.Response.AttestationObject.AuthData.AttData.CredentialPublicKey
	if err := got.Verify(shown.challenge, "example.org", "", specParty().origins, nil, top, protocol.TopOriginExplicitVerificationMode, true, false, true,
		key, protocol.SignaturePolicy{}); err != nil {
		t.Errorf("opened: %v", err)
	}
	if _, _, err := shown.assert(row{ID: shown.id, Key: key}, false); !strings.Contains(reason(err), "cross origin flag") {
		t.Errorf("by the policy: %s", reason(err))
	}
}
