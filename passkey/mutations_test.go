package passkey

import (
	"strings"
	"testing"

	"github.com/go-webauthn/webauthn/protocol"
)

// plain makes a sample one that the policy accepts: not in a frame, without a statement, and verified.
func (s *sample) plain() *sample {
	s.set("crossOrigin", nil)
	s.set("topOrigin", nil)
	s.flags(protocol.FlagUserPresent|protocol.FlagUserVerified, 0)
	s.object = nil
	return s
}

// A mutation changes one thing of a sample, and names why it is refused.
type mutation struct {
	name, want string
	change     func(s *sample)
}

// common are the mutations of both ceremonies.
var common = []mutation{
	{"type", "ceremony type", func(s *sample) { s.set("type", "webauthn.other") }},
	{"challenge", "challenge", func(s *sample) { s.set("challenge", random(32)) }},
	{"origin", errOrigin.Error(), func(s *sample) { s.set("origin", "https://example.org.evil.example") }},
	{"origin in another spelling", errOrigin.Error(), func(s *sample) { s.set("origin", "https://EXAMPLE.org/") }},
	{"crossOrigin", "cross origin flag", func(s *sample) { s.set("crossOrigin", true) }},
	{"topOrigin", "topOrigin", func(s *sample) { s.set("topOrigin", "https://example.com") }},
	{"rpIdHash", "RP Hash mismatch", func(s *sample) { s.data[0] ^= 1 }},
	{"user not present", "User presence required", func(s *sample) { s.flags(0, protocol.FlagUserPresent) }},
	{"user not verified", "passkey_unverified", func(s *sample) { s.flags(0, protocol.FlagUserVerified) }},
	{"type of the credential", "invalid_passkey", nil}, // by its JSON, see below
}

func (m mutation) refused(t *testing.T, text string, run func(text string) error) {
	t.Helper()
	if m.change == nil {
		text = strings.Replace(text, `"public-key"`, `"password"`, 1)
	}
	if err := run(text); !strings.Contains(reason(err), m.want) {
		t.Errorf("%s: %s, want %s", m.name, reason(err), m.want)
	}
}

// supported reports whether Go can check the signature of a vector.
func supported(v vector) bool { return v.Name != "packed-ed448" }

// TestW1_RegistrationMutations: of each vector, each of 14 changes of one field makes the registration fail.
func TestW1_RegistrationMutations(t *testing.T) {
	list := append([]mutation{}, common...)
	list = append(list,
		mutation{"backed up, but not eligible", errBackup.Error(), func(s *sample) { s.flags(protocol.FlagBackupState, protocol.FlagBackupEligible) }},
		mutation{"no attested data", "invalid_passkey", func(s *sample) { s.flags(0, protocol.FlagAttestedCredentialData) }},
		mutation{"id", "credential id", func(s *sample) { s.id[0] ^= 1 }},
		mutation{"a byte behind", "Error parsing attestation response", func(s *sample) { s.data = append(s.data, 0) }},
	)
	for _, v := range vectors(t) {
		t.Run(v.Name, func(t *testing.T) {
			s := v.registration(t).plain()
			if _, err := s.register(s.offered(false, -35, -36, -53)); err != nil && supported(v) {
				t.Fatalf("unchanged: %s", reason(err))
			}
			for _, m := range list {
				s := v.registration(t).plain()
				if m.change != nil {
					m.change(s)
				}
				m.refused(t, s.creation(), func(text string) error {
					_, err := specParty().register(s.offered(false, -35, -36, -53), text)
					return err
				})
			}
			s = v.registration(t).plain()
			if _, err := specParty().register(ceremony{Challenge: s.challenge, Algs: []int{-999}}, s.creation()); !strings.Contains(reason(err), "algorithm not supported") {
				t.Errorf("algorithm: %s", reason(err))
			}
		})
	}
	for _, v := range vectors(t) {
		if v.Name == "packed-self-es256" {
			s := v.registration(t)
			s.object[60] ^= 1
			if _, err := s.register(s.offered(true)); reason(err) == "accepted" {
				t.Error("a statement with a wrong signature was accepted")
			}
		}
	}
}

// TestW1_AssertionMutations: of each vector, each of 15 changes of one field makes the assertion fail. It is signed
// anew after the change, so that the signature is not what finds it.
func TestW1_AssertionMutations(t *testing.T) {
	list := append([]mutation{}, common...)
	list = append(list,
		mutation{"eligible for backup", "whether it can be backed up", func(s *sample) {
			if s.has(protocol.FlagBackupEligible) {
				s.flags(0, protocol.FlagBackupEligible|protocol.FlagBackupState)
			} else {
				s.flags(protocol.FlagBackupEligible, 0)
			}
		}},
		mutation{"a byte behind", "invalid_passkey", func(s *sample) { s.data = append(s.data, 0) }},
		mutation{"too short", "auth data", func(s *sample) { s.data = s.data[:36] }},
	)
	for _, v := range vectors(t) {
		t.Run(v.Name, func(t *testing.T) {
			if !supported(v) {
				s := v.assertion(t)
				if _, _, err := s.assert(row{ID: s.id, Key: ed448Key(t, v)}, false); !strings.Contains(reason(err), "assertion signature") && !strings.Contains(reason(err), "public key") {
					t.Errorf("unchanged: %s", reason(err))
				}
				return
			}
			reg := v.registration(t).plain()
			r, err := reg.register(reg.offered(false, -35, -36))
			if err != nil {
				t.Fatal(reason(err))
			}
			begin := func() *sample {
				s := v.assertion(t).plain()
				s.sign()
				return s
			}
			if _, _, err := begin().assert(r, true); err != nil {
				t.Fatalf("unchanged: %s", reason(err))
			}
			for _, m := range list {
				s := begin()
				if m.change != nil {
					m.change(s)
					s.sign()
				}
				m.refused(t, s.shown(), func(text string) error {
					parsed, err := read(text)
					if err == nil {
						_, _, err = specParty().assert(ceremony{Challenge: s.challenge}, parsed, r, true, r.Used)
					}
					return err
				})
			}
			s := begin()
			s.signature[len(s.signature)-1] ^= 1
			if _, _, err := s.assert(r, true); !strings.Contains(reason(err), "signature") {
				t.Errorf("signature: %s", reason(err))
			}
			s = begin()
			s.client = append(s.client, ' ')
			if _, _, err := s.assert(r, true); !strings.Contains(reason(err), "signature") {
				t.Errorf("a space behind the client data: %s", reason(err))
			}
			other := r
			other.Count = 7
			if next, cloned, err := begin().assert(other, true); err != nil || !cloned || next.Count != 7 {
				t.Errorf("counter back from 7: %s, cloned %t, now %d", reason(err), cloned, next.Count)
			}
		})
	}
}

// ed448Key returns the public key of the vector that no library here can check.
func ed448Key(t *testing.T, v vector) []byte {
	t.Helper()
	parsed, err := protocol.ParseCredentialCreationResponseBytes([]byte(v.registration(t).creation()))
	if err != nil {
		t.Fatal(err)
	}
	return parsed.Response.AttestationObject.AuthData.AttData.CredentialPublicKey
}
