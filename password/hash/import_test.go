package hash

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"
)

// imported is a hash that another system made, and the password it made it of.
type imported struct {
	from     string // the system and where the hash comes from
	encode   func() (string, error)
	begins   string // what our string begins with
	password string
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	v, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func from(f func(string) (string, error), s string) func() (string, error) {
	return func() (string, error) { return f(s) }
}

// vectors are hashes of the systems themselves: of their tests, of exports, or made with their libraries.
func vectors(t *testing.T, h *Hasher) []imported {
	django := func(s string) func() (string, error) {
		return func() (string, error) { return h.ImportDjango(context.Background(), s) }
	}
	clerk := func(hasher, s string) func() (string, error) {
		return func() (string, error) { return h.ImportClerk(context.Background(), hasher, s) }
	}
	firebase := func(hash, salt string) func() (string, error) {
		return func() (string, error) {
			return ImportFirebase(Firebase{
				PasswordHash: hash, Salt: salt, Rounds: 8, MemCost: 14, SaltSeparator: "Bw==",
				SignerKey: "jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==",
			})
		}
	}
	keycloak := func(how, secret string) func() (string, error) {
		return func() (string, error) { return ImportKeycloak(how, secret) }
	}
	const (
		keycloakPBKDF2 = `{"hashIterations":27500,"algorithm":"pbkdf2-sha256","additionalParameters":{}}`
		keycloakArgon2 = `{"hashIterations":5,"algorithm":"argon2","additionalParameters":{"hashLength":["32"],"memory":["7168"],"type":["id"],"version":["1.3"],"parallelism":["1"]}}`
		firebase1      = "lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ=="
		firebaseSalt   = "42xEC+ixf3L2lw=="
		signer         = "jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA=="
	)
	return []imported{
		{"bcrypt, of jBCrypt's tests", from(ImportBcrypt, "$2a$06$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe"), "$2a$06$", "a"},
		{"bcrypt, of jBCrypt's tests", from(ImportBcrypt, "$2a$06$.rCVZVOThsIa97pEDOxvGuRRgzG64bvtJ0938xuqzv18d3ZpQhstC"), "$2a$06$", "abcdefghijklmnopqrstuvwxyz"},
		{"bcrypt, of crypt_blowfish's tests", from(ImportBcrypt, "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"), "$2a$05$", "U*U"},
		{"Firebase, of the README of firebase/scrypt", firebase(firebase1, firebaseSalt), "$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw,sk=", "user1password"},
		{"Firebase, made with npm firebase-scrypt", firebase("8XrWEsk0UiOOptSkPFulbUJauOUqjVu3m0pSPGCJ4mN7B02avN7eUTGohHpXtcfFUqOHrl621hMPaHiU2b23xA==", firebaseSalt), "$fbscrypt$", "pässwörd 🐎"},
		{"Firebase in URL-safe base64, as auth:export writes it", firebase(strings.NewReplacer("+", "-", "/", "_").Replace(firebase1), "42xEC-ixf3L2lw=="), "$fbscrypt$", "user1password"},
		{"Supabase, of its crypto tests", from(ImportSupabase, "$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==,sk=ou9tdYTGyYm8kuR6Dt0Bp0kDuAYoXrK16mbZO4yGwAn3oLspjnN0/c41v8xZnO1n14J3MjKj1b2g6AUCAlFwMw==$C0sHCg9ek77hsg==$zKVTMvnWVw5BBOZNUdnsalx4c4c7y/w7IS5p6Ut2+CfEFFlz37J9huyQfov4iizN8dbjvEJlM5tQaJP84+hfTw=="), "$fbscrypt$", "mytestpassword"},
		{"Supabase's bcrypt", from(ImportSupabase, "$2a$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i"), "$2a$06$", "abc"},
		{"better-auth, made with its hashPassword", from(ImportBetterAuth, "e7f3b62b43befaca5b2bac89315ed294:1ae180b91dd328736bd229790ef80619fa08246a8bfc73358145d6aba3bf23a73d5cdebff64f86252f9c91162a24880ede4e050f4974344dcb0de5e2a8bb74fc"), "$scrypt$ln=14,r=16,p=1,nf=kc$", "correct horse \ufb01 A\u030a"},
		{"Keycloak, of a test with its own provider", keycloak(keycloakPBKDF2, `{"value":"/bVkHA4G/VOskjaCgNYyTz1BhgD+9X8bxCNEPGGpnDCJbWHDXIW0G8IlSBhDdJsXTjrXt/7yQguBwJ3sxSmSKA==","salt":"lZtleWv1DeEcNIr8MTzdeg==","additionalParameters":{}}`), "$pbkdf2-sha256$i=27500,l=32$", "test"},
		{"Keycloak 26, of an export", keycloak(keycloakArgon2, `{"value":"xKjWvB9+0sSP6wTqI1JoEI7w+iA0x9VDhPgmrOHRG80=","salt":"LRScGShC7shkdoU5B1UgUQ==","additionalParameters":{}}`), "$argon2id$v=19$m=7168,t=5,p=1$", "secret"},
		{"Django 3.2", django("pbkdf2_sha256$260000$seasaltseasalt22$p30z1bZnwRC3L5NEbi1y9ZKb8g1Ar5y7f+/xjyCXVSo="), "$pbkdf2-sha256$i=260000,l=32$", "lètmein"},
		{"Django 3.2", django("pbkdf2_sha1$260000$seasaltseasalt22$j5LBWZ1UqDPaUBzLgXr1a08nBFI="), "$pbkdf2-sha1$i=260000,l=20$", "lètmein"},
		{"Django 3.2", django("argon2$argon2id$v=19$m=102400,t=2,p=8$NWJRM3hWemxUUE1USGp5OWFBM01WbQ$L/fflbqQDyZH9q/9y0f+nQ"), "$argon2id$v=19$m=102400,t=2,p=8$", "lètmein"},
		{"Django 3.2", django("bcrypt_sha256$$2b$12$uvcpDsnzDCj2m/bxk3o6NeRquz8hZYg1aAf.OUJOAwzMnAMGLrbS."), "$bcrypt-sha256hex$2b$12$", "lètmein"},
		{"Django with a hash of jBCrypt's tests", django("bcrypt$$2a$06$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe"), "$2a$06$", "a"},
		{"Django 3.2", django("md5$seasaltseasalt22$d9d0cad3b16d6c0a655173296a7178e3"), "$wrapped$md5,b=c2Vhc2FsdHNlYXNhbHQyMg,a=,n=1$argon2id$", "lètmein"},
		{"Django 3.2", django("sha1$seasaltseasalt22$00fe6ef778acba8aaff0e0558f8c7a515516ea6c"), "$wrapped$sha1,b=c2Vhc2FsdHNlYXNhbHQyMg,a=,n=1$argon2id$", "lètmein"},
		{"Django, of its test of scrypt", django("scrypt$16384$seasalt$8$5$ECMIUp+LMxMSK8xB/IVyba+KYGTI7FTnet025q/1f/vBAVnnP3hdYqJuRi+mJn6ji6ze3Fbb7JEFPKGpuEf5vw=="), "$scrypt$ln=14,r=8,p=5$", "lètmein"},
		{"Clerk, values of Python's hashlib", clerk("pbkdf2_sha256", "pbkdf2_sha256$1000$c2Vhc2FsdHNlYXNhbHQyMg==$EE4QE29xCnBk4GQ5B0x1X6m82E8zSnoFXY+hTu80eKc="), "$pbkdf2-sha256$i=1000,l=32$", "lètmein"},
		{"Clerk, values of Python's hashlib", clerk("pbkdf2_sha1", "pbkdf2_sha1$1000$seasaltseasalt22$606e0aabdef3cd66e3225d3e5ef35170160d810e"), "$pbkdf2-sha1$i=1000,l=20$", "lètmein"},
		{"Clerk, values of Python's hashlib", clerk("pbkdf2_sha512", "pbkdf2_sha512$1000$seasaltseasalt22$5c1fc6ad3bbfc30c09d2032dd758e1210aaeac8c66052866ef0eca64dd648b66587ad0579544e3b6eb66631f60768c508df46e2291940d50ea0ac167c1dde778"), "$pbkdf2-sha512$i=1000,l=64$", "lètmein"},
		{"Clerk, values of Python's hashlib", clerk("pbkdf2_sha512_hex", "pbkdf2_sha512_hex$1000$73656173616c7473656173616c743232$5c1fc6ad3bbfc30c09d2032dd758e1210aaeac8c66052866ef0eca64dd648b66587ad0579544e3b6eb66631f60768c508df46e2291940d50ea0ac167c1dde778"), "$pbkdf2-sha512$i=1000,l=64$", "lètmein"},
		{"Clerk, values of Python's hashlib", clerk("scrypt_werkzeug", "scrypt:32768:8:1$vulddniGkHbXzjNK$f0248ccd29950be6724746da5596bbb8034c11c49a0d09fa1f71287f407b7c2288fcf06afe26399521322f4d6b9244a9738466bc069881529f38f3015eff65d8"), "$scrypt$ln=15,r=8,p=1$", "lètmein"},
		{"Clerk with Firebase's hash", clerk("scrypt_firebase", firebase1+"$"+firebaseSalt+"$"+signer+"$Bw==$8$14"), "$fbscrypt$", "user1password"},
		{"Clerk, the example of its documentation", clerk("md5", "5f4dcc3b5aa765d61d8327deb882cf99"), "$wrapped$md5,b=,a=,n=1$", "password"},
		{"Clerk with Django's hash", clerk("pbkdf2_sha256_django", "pbkdf2_sha256$260000$seasaltseasalt22$p30z1bZnwRC3L5NEbi1y9ZKb8g1Ar5y7f+/xjyCXVSo="), "$pbkdf2-sha256$", "lètmein"},
		{"scrypt, RFC 7914 section 12", func() (string, error) {
			return ImportScrypt(Scrypt{N: 1024, R: 8, P: 16, Salt: []byte("NaCl"), Sum: unhex(t, "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b3731622eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640")})
		}, "$scrypt$ln=10,r=8,p=16$", "password"},
		{"PBKDF2 with SHA-1, RFC 6070", func() (string, error) {
			return ImportPBKDF2(PBKDF2{"sha1", 4096, []byte("salt"), unhex(t, "4b007901b765489abead49d926f721d065a429c1")})
		}, "$pbkdf2-sha1$i=4096,l=20$", "password"},
		{"the login of the Serverless Handbook: SHA-256 of password, salt, user name, password", func() (string, error) {
			return h.Wrap(context.Background(), Digest{Algorithm: "sha256", After: []byte("SALTada"), Again: true, Sum: unhex(t, "63470cbb36672df64452fe69d2fe761ac241c6199df8295c3c09085a5092f1d7")})
		}, "$wrapped$sha256,b=,a=U0FMVGFkYQ,n=2$argon2id$", "password"},
		{"SHA-512, NIST's example abc", func() (string, error) {
			return h.Wrap(context.Background(), Digest{Algorithm: "sha512", Before: []byte("a"), After: []byte("c"), Sum: unhex(t, "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f")})
		}, "$wrapped$sha512,b=YQ,a=Yw,n=1$argon2id$", "b"},
	}
}

// TestP1_Imports: each format verifies the password that its system hashed, refuses it with a zero byte more, and asks
// to be hashed anew.
func TestP1_Imports(t *testing.T) {
	h := newHasher(t, Config{MemoryMiB: 512, Parallel: 2})
	for _, v := range vectors(t, h) {
		encoded, err := v.encode()
		slow := strings.Contains(encoded, "$2b$12$") || strings.HasPrefix(encoded, "$fbscrypt$") || strings.HasPrefix(encoded, "$scrypt$")
		if raced && slow { // these are in Go, which the detector slows down
			continue
		}
		if err != nil || !strings.HasPrefix(encoded, v.begins) {
			t.Errorf("%s: %q %v, want %s…", v.from, encoded, err, v.begins)
			continue
		}
		if err := Check(encoded); err != nil {
			t.Errorf("%s: Check(%q): %v", v.from, encoded, err)
		}
		rehash := !strings.HasPrefix(encoded, "$argon2id$v=19$m=19456,t=2,p=1$")
		if r := verify(t, h, encoded, v.password); r != (Result{true, rehash}) {
			t.Errorf("%s: %q with %q: %+v", v.from, encoded, v.password, r)
		}
		if r := verify(t, h, encoded, v.password+"\x00"); r != (Result{}) { // most of these formats ignore it
			t.Errorf("%s: %q with a zero byte more: %+v", v.from, encoded, r)
		}
	}
}

// TestP2_BcryptPrefix: bcrypt reads 72 bytes. A password whose first 72 bytes are right is refused, and so is one that
// bcrypt takes for another because of a zero byte.
func TestP2_BcryptPrefix(t *testing.T) {
	h := newHasher(t, Config{})
	long := strings.Repeat("0123456789", 8)[:72]
	own := bcryptOf(t, long)
	for password, want := range map[string]bool{long: true, long + "x": false, long + long: false, long[:71]: false} {
		if got := verify(t, h, own, password).OK; got != want {
			t.Errorf("%d bytes: %v, want %v", len(password), got, want)
		}
	}
	short := bcryptOf(t, "abc")
	for password, want := range map[string]bool{"abc": true, "abc\x00": false, "abc\x00abc": false, "abc\x00abc\x00": false} {
		if got := verify(t, h, short, password).OK; got != want {
			t.Errorf("%q: %v, want %v", password, got, want)
		}
	}
}

// bcryptOf hashes with golang.org/x/crypto/bcrypt itself.
func bcryptOf(t *testing.T, password string) string {
	t.Helper()
	hashed, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := ImportBcrypt(string(hashed))
	if err != nil {
		t.Fatal(err)
	}
	return encoded
}

// TestP3_Imported: a system that hashed characters as they came hashed some passwords in other forms than NFC.
func TestP3_Imported(t *testing.T) {
	h := newHasher(t, Config{})
	const composed, decomposed = "caf\u00e9 au lait", "cafe\u0301 au lait"
	for set, accepted := range map[string][2]bool{ // typed composed, typed decomposed
		composed:   {true, true},
		decomposed: {false, true},
	} {
		encoded := bcryptOf(t, set)
		got := [2]bool{verify(t, h, encoded, composed).OK, verify(t, h, encoded, decomposed).OK}
		if got != accepted {
			t.Errorf("set %+q: %v, want %v", set, got, accepted)
		}
	}
	if raced {
		return
	}
	better, err := ImportBetterAuth("e7f3b62b43befaca5b2bac89315ed294:1ae180b91dd328736bd229790ef80619fa08246a8bfc73358145d6aba3bf23a73d5cdebff64f86252f9c91162a24880ede4e050f4974344dcb0de5e2a8bb74fc")
	if err != nil {
		t.Fatal(err)
	}
	for _, typed := range []string{"correct horse \ufb01 \u00c5", "correct horse fi A\u030a", "correct horse \ufb01 \u212b"} {
		if !verify(t, h, better, typed).OK {
			t.Errorf("better-auth: %+q is refused", typed)
		}
	}
}

// TestP1_WrongPassword: a wrong password is refused in each format, and so is the right one for a sum with one bit
// changed.
func TestP1_WrongPassword(t *testing.T) {
	h := newHasher(t, Config{MemoryMiB: 64, Parallel: 1})
	wrapped, err := h.Wrap(t.Context(), Digest{Algorithm: "md5", Sum: unhex(t, "5f4dcc3b5aa765d61d8327deb882cf99")})
	if err != nil {
		t.Fatal(err)
	}
	cost := scryptCost{4, 1, 1}
	signer := make([]byte, 64)
	firebase := firebaseFormat{scryptCost: cost, signer: signer, salt: []byte("salt"), sum: signer}
	firebase.sum = firebase.encrypt([]byte("password"))
	sha := sha256.Sum256([]byte("password"))
	for _, encoded := range []string{
		mustHash(t, h, "password"), wrapped, bcryptOf(t, "password"), firebase.encode(),
		"$" + bcryptOverSHA256 + bcryptOf(t, hex.EncodeToString(sha[:])),
		scryptFormat{cost, false, []byte("salt"), cost.derive([]byte("password"), []byte("salt"), 32)}.encode(),
		pbkdf2Format{"sha1", 1000, []byte("salt"), unhex(t, "6e88be8bad7eae9d9e10aa061224034fed48d03f")}.encode(),
	} {
		if !verify(t, h, encoded, "password").OK {
			t.Errorf("%s: the right password is refused", encoded)
		}
		for _, wrong := range []string{"Password", "passwor", "password ", "passwordpassword", "\x00password"} {
			if verify(t, h, encoded, wrong).OK {
				t.Errorf("%s: %q is right", encoded, wrong)
			}
		}
		end := len(encoded) - 5
		changed := encoded[:end] + string("AB"[(encoded[end]-'A'+1)&1]) + encoded[end+1:]
		if changed == encoded {
			changed = encoded[:end] + "z" + encoded[end+1:]
		}
		if verify(t, h, changed, "password").OK {
			t.Errorf("%s: a changed sum is right", changed)
		}
	}
}

// TestImport_Refuses: what is not the format of the system, is cut off, or is no password at all.
func TestImport_Refuses(t *testing.T) {
	h := newHasher(t, Config{})
	for name, encode := range map[string]func() (string, error){
		"bcrypt 2x":            from(ImportBcrypt, "$2x$06$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe"),
		"bcrypt cut":           from(ImportBcrypt, "$2a$06$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfx"),
		"bcrypt with a space":  from(ImportBcrypt, "$2a$06$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfx "),
		"argon2 as bcrypt":     from(ImportBcrypt, "$argon2id$v=19$m=7168,t=5,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA"),
		"argon2 version 16":    from(ImportArgon2, "$argon2id$v=16$m=7168,t=5,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA"),
		"argon2d":              from(ImportArgon2, "$argon2d$v=19$m=7168,t=5,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA"),
		"better-auth no colon": from(ImportBetterAuth, "e7f3b62b43befaca5b2bac89315ed294"),
		"better-auth not hex":  from(ImportBetterAuth, "salt:1ae180b91dd328736bd229790ef80619"),
		"Supabase empty":       from(ImportSupabase, ""),
		"Keycloak unknown": func() (string, error) {
			return ImportKeycloak(`{"algorithm":"bcrypt"}`, `{"value":"AAAA","salt":"AAAA"}`)
		},
		"Keycloak not JSON":       func() (string, error) { return ImportKeycloak(`no`, `{}`) },
		"Keycloak secret":         func() (string, error) { return ImportKeycloak(`{}`, `no`) },
		"Firebase without hash":   func() (string, error) { return ImportFirebase(Firebase{Rounds: 8, MemCost: 14}) },
		"Django unusable":         func() (string, error) { return h.ImportDjango(t.Context(), "!abcdef") },
		"Clerk unknown":           func() (string, error) { return h.ImportClerk(t.Context(), "ldap_ssha", "x") },
		"Clerk's name is another": func() (string, error) { return h.ImportClerk(t.Context(), "pbkdf2_sha1", "pbkdf2_sha256$1$a$b") },
		"MD4":                     func() (string, error) { return h.Wrap(t.Context(), Digest{Algorithm: "md4", Sum: make([]byte, 16)}) },
		"half a SHA-256":          func() (string, error) { return h.Wrap(t.Context(), Digest{Algorithm: "sha256", Sum: make([]byte, 16)}) },
		"Clerk's Werkzeug":        func() (string, error) { return h.ImportClerk(t.Context(), "scrypt_werkzeug", "pbkdf2:sha256:1000$a$b") },
		"PBKDF2 with MD5":         func() (string, error) { return ImportPBKDF2(PBKDF2{"md5", 4096, []byte("s"), make([]byte, 16)}) },
	} {
		if encoded, err := encode(); encoded != "" || !errors.Is(err, ErrEncoded) {
			t.Errorf("%s: %q %v, want ErrEncoded", name, encoded, err)
		}
	}
}
