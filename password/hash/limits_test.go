package hash

import (
	"errors"
	"fmt"
	"io"
	"math"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestP7_HostileCosts: a hash with a hostile cost, salt or length is refused when it is imported and when it is
// verified, at once and without the memory that it asks for.
func TestP7_HostileCosts(t *testing.T) {
	h := newHasher(t, Config{})
	salt, sum := "c2FsdHNhbHQ", "AAAAAAAAAAAAAAAAAAAAAA"
	megabyte := strings.Repeat("A", 1<<20)
	blowfish := "m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe"
	imports := map[string]func() (string, error){
		"argon2 of 4 GiB":           from(ImportArgon2, "$argon2id$v=19$m=4194304,t=2,p=1$"+salt+"$"+sum),
		"argon2 of 2^31 passes":     from(ImportArgon2, "$argon2id$v=19$m=19456,t=2147483648,p=1$"+salt+"$"+sum),
		"argon2 of 2^64 passes":     from(ImportArgon2, "$argon2id$v=19$m=19456,t=18446744073709551617,p=1$"+salt+"$"+sum),
		"argon2 of no pass":         from(ImportArgon2, "$argon2id$v=19$m=19456,t=0,p=1$"+salt+"$"+sum),
		"argon2 of no lane":         from(ImportArgon2, "$argon2id$v=19$m=19456,t=2,p=0$"+salt+"$"+sum),
		"argon2 of 255 lanes":       from(ImportArgon2, "$argon2id$v=19$m=19456,t=2,p=255$"+salt+"$"+sum),
		"argon2 of 257 lanes":       from(ImportArgon2, "$argon2id$v=19$m=19456,t=2,p=257$"+salt+"$"+sum),
		"argon2 of much work":       from(ImportArgon2, "$argon2id$v=19$m=131072,t=9,p=1$"+salt+"$"+sum),
		"argon2, salt of 1 MB":      from(ImportArgon2, "$argon2id$v=19$m=19456,t=2,p=1$"+megabyte+"$"+sum),
		"argon2, hash of 1 MB":      from(ImportArgon2, "$argon2id$v=19$m=19456,t=2,p=1$"+salt+"$"+megabyte),
		"argon2, hash of 3 bytes":   from(ImportArgon2, "$argon2id$v=19$m=19456,t=2,p=1$"+salt+"$AAAA"),
		"argon2, 1 MB of padding":   from(ImportArgon2, "$argon2id$v=19$m=19456,t=2,p=1$"+salt+"$"+sum+strings.Repeat("=", 1<<20)),
		"bcrypt of cost 31":         from(ImportBcrypt, "$2b$31$"+blowfish),
		"bcrypt of cost 15":         from(ImportBcrypt, "$2b$15$"+blowfish),
		"bcrypt of cost 99":         from(ImportBcrypt, "$2b$99$"+blowfish),
		"bcrypt of cost 3":          from(ImportBcrypt, "$2b$03$"+blowfish),
		"bcrypt of 1 MB":            from(ImportBcrypt, "$2b$10$"+blowfish+megabyte),
		"Supabase of 1 MB":          from(ImportSupabase, megabyte),
		"Supabase with N=2^30":      from(ImportSupabase, "$fbscrypt$v=1,n=30,r=8,p=1,ss=Bw==,sk="+sum+"$"+salt+"$"+sum),
		"Supabase with N=2^64":      from(ImportSupabase, "$fbscrypt$v=1,n=64,r=8,p=1,ss=Bw==,sk="+sum+"$"+salt+"$"+sum),
		"scrypt with N=2^30":        func() (string, error) { return ImportScrypt(Scrypt{1 << 30, 8, 1, nil, make([]byte, 32)}) },
		"scrypt with N=2^62":        func() (string, error) { return ImportScrypt(Scrypt{1 << 62, 8, 1, nil, make([]byte, 32)}) },
		"scrypt with N=0":           func() (string, error) { return ImportScrypt(Scrypt{0, 8, 1, nil, make([]byte, 32)}) },
		"scrypt with N=-1":          func() (string, error) { return ImportScrypt(Scrypt{-1, 8, 1, nil, make([]byte, 32)}) },
		"scrypt with N=3":           func() (string, error) { return ImportScrypt(Scrypt{3, 8, 1, nil, make([]byte, 32)}) },
		"scrypt with r=2^30":        func() (string, error) { return ImportScrypt(Scrypt{1024, 1 << 30, 1, nil, make([]byte, 32)}) },
		"scrypt with r=0":           func() (string, error) { return ImportScrypt(Scrypt{1024, 0, 1, nil, make([]byte, 32)}) },
		"scrypt with p=2^30":        func() (string, error) { return ImportScrypt(Scrypt{1024, 8, 1 << 30, nil, make([]byte, 32)}) },
		"scrypt of much work":       func() (string, error) { return ImportScrypt(Scrypt{1 << 17, 8, 2, nil, make([]byte, 32)}) },
		"scrypt, salt of 1 MB":      func() (string, error) { return ImportScrypt(Scrypt{1024, 8, 1, []byte(megabyte), make([]byte, 32)}) },
		"scrypt, hash of 1 MB":      func() (string, error) { return ImportScrypt(Scrypt{1024, 8, 1, nil, []byte(megabyte)}) },
		"PBKDF2 of 2^31 rounds":     func() (string, error) { return ImportPBKDF2(PBKDF2{"sha256", 1 << 31, nil, make([]byte, 32)}) },
		"PBKDF2 of 2^63-1 rounds":   func() (string, error) { return ImportPBKDF2(PBKDF2{"sha256", math.MaxInt, nil, make([]byte, 32)}) },
		"PBKDF2 of -1 rounds":       func() (string, error) { return ImportPBKDF2(PBKDF2{"sha256", -1, nil, make([]byte, 32)}) },
		"PBKDF2 of 1 round":         func() (string, error) { return ImportPBKDF2(PBKDF2{"sha256", 1, nil, make([]byte, 32)}) },
		"PBKDF2, salt of 1 MB":      func() (string, error) { return ImportPBKDF2(PBKDF2{"sha256", 1e5, []byte(megabyte), make([]byte, 32)}) },
		"PBKDF2, hash of 1 MB":      func() (string, error) { return ImportPBKDF2(PBKDF2{"sha256", 1e5, nil, []byte(megabyte)}) },
		"Firebase, salt of 1 MB":    func() (string, error) { return ImportFirebase(Firebase{"AAAA", megabyte, "AAAA", "Bw==", 8, 14}) },
		"Firebase with mem_cost 30": func() (string, error) { return ImportFirebase(Firebase{sum, "AAAA", sum, "Bw==", 8, 30}) },
		"Firebase with rounds 2^31": func() (string, error) { return ImportFirebase(Firebase{sum, "AAAA", sum, "Bw==", 1 << 31, 14}) },
		"Firebase with rounds -1":   func() (string, error) { return ImportFirebase(Firebase{sum, "AAAA", sum, "Bw==", -1, 14}) },
		"Keycloak of 2^31 rounds": func() (string, error) {
			return ImportKeycloak(`{"algorithm":"pbkdf2-sha512","hashIterations":2147483648}`, `{"value":"`+sum+`","salt":"AAAA"}`)
		},
		"Keycloak's argon2 of 4 GiB": func() (string, error) {
			return ImportKeycloak(`{"algorithm":"argon2","hashIterations":2,"additionalParameters":{"memory":["4194304"],"type":["id"],"version":["1.3"],"parallelism":["1"]}}`, `{"value":"`+sum+`","salt":"AAAA"}`)
		},
		"Keycloak of 1 MB":      func() (string, error) { return ImportKeycloak(megabyte, megabyte) },
		"Django of 1 MB":        func() (string, error) { return h.ImportDjango(t.Context(), "md5$"+megabyte) },
		"Django of 2^31 rounds": func() (string, error) { return h.ImportDjango(t.Context(), "pbkdf2_sha256$2147483648$salt$"+sum) },
		"Clerk of 1 MB":         func() (string, error) { return h.ImportClerk(t.Context(), "md5", megabyte) },
		"a wrapped salt of 1 MB": func() (string, error) {
			return h.Wrap(t.Context(), Digest{Algorithm: "md5", Sum: make([]byte, 16), Before: []byte(megabyte)})
		},
	}
	for name, encode := range imports {
		refusedAtOnce(t, "import of "+name, func() error {
			encoded, err := encode()
			if encoded != "" {
				t.Errorf("%s: %.80s", name, encoded)
			}
			return err
		})
	}
	for _, encoded := range []string{
		"$argon2id$v=19$m=4194304,t=2,p=1$" + salt + "$" + sum,
		"$argon2id$v=19$m=19456,t=2147483648,p=1$" + salt + "$" + sum,
		"$argon2id$v=19$m=19456,t=2,p=1$" + megabyte + "$" + sum,
		"$2b$31$" + blowfish,
		"$bcrypt-sha256hex$2b$31$" + blowfish,
		"$scrypt$ln=30,r=8,p=1$" + salt + "$" + sum,
		"$scrypt$ln=2147483647,r=2147483647,p=2147483647$" + salt + "$" + sum,
		"$scrypt$ln=14,r=8,p=1$" + megabyte + "$" + sum,
		"$fbscrypt$v=1,n=30,r=8,p=1,ss=Bw,sk=" + sum + "$" + salt + "$" + sum,
		"$pbkdf2-sha256$i=2147483647,l=16$" + salt + "$" + sum,
		"$pbkdf2-sha256$i=2147483648,l=16$" + salt + "$" + sum,
		"$pbkdf2-sha1$i=3000000,l=128$" + salt + "$" + strings.Repeat("A", 171),
		"$pbkdf2-sha256$i=1,l=16$" + salt + "$" + sum,
		"$wrapped$sha256,b=,a=,n=1$argon2id$v=19$m=4194304,t=2,p=1$" + salt + "$" + sum,
		"$wrapped$sha256,b=" + strings.Repeat("A", 1500) + ",a=,n=1$argon2id$v=19$m=19456,t=2,p=1$" + salt + "$" + sum,
	} {
		refusedAtOnce(t, fmt.Sprintf("%.60s", encoded), func() error {
			if err := Check(encoded); !errors.Is(err, ErrCost) {
				t.Errorf("Check of %.60s: %v", encoded, err)
			}
			_, err := h.Verify(t.Context(), encoded, "a password of the attacker")
			return err
		})
	}
}

// refusedAtOnce runs f, which should return ErrCost within 50 ms and with little memory.
func refusedAtOnce(t *testing.T, name string, f func() error) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	began := time.Now()
	err := f()
	took := time.Since(began)
	runtime.ReadMemStats(&after)
	if !errors.Is(err, ErrCost) {
		t.Errorf("%s: %v, want ErrCost", name, err)
	}
	if took > 50*time.Millisecond {
		t.Errorf("%s: refused after %v", name, took)
	}
	if n := after.TotalAlloc - before.TotalAlloc; n > 4<<20 {
		t.Errorf("%s: refused with %d KiB allocated", name, n>>10)
	}
}

// TestVerify_MemoryOfTheProcess: an imported hash that takes more than a quarter of the memory is refused, and the
// settings of Hash never are.
func TestVerify_MemoryOfTheProcess(t *testing.T) {
	const big = "$argon2id$v=19$m=102400,t=2,p=8$NWJRM3hWemxUUE1USGp5OWFBM01WbQ$L/fflbqQDyZH9q/9y0f+nQ"
	small := newHasher(t, Config{MemoryMiB: 256, Parallel: 1})
	if _, err := small.Verify(t.Context(), big, "lètmein"); !errors.Is(err, ErrCost) || !strings.Contains(err.Error(), "needs 100 MiB, and Config.MemoryMiB allows 64") {
		t.Errorf("100 MiB in 256: %v", err)
	}
	if r := verify(t, newHasher(t, Config{MemoryMiB: 512, Parallel: 1}), big, "lètmein"); !r.OK {
		t.Error("100 MiB in 512: refused")
	}
}

// TestParse_Strict: a string that is stored has one form. Others are ErrEncoded, whatever lenient decoders make of it.
func TestParse_Strict(t *testing.T) {
	good := []string{
		"$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
		"$scrypt$ln=14,r=16,p=1,nf=kc$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
		"$pbkdf2-sha1$i=4096,l=16$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
		"$wrapped$md5,b=,a=,n=1$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
	}
	for _, encoded := range good {
		if err := Check(encoded); err != nil {
			t.Fatalf("%s: %v", encoded, err)
		}
		for _, bad := range []string{
			"", "$", "$$", encoded[1:], encoded + "$", encoded + "=", encoded + "\n", " " + encoded, encoded + "\x00",
			strings.Replace(encoded, "=", "=0", 1),
			strings.Replace(encoded, "=", "=+", 1),
			strings.Replace(encoded, "=", "= ", 1),
			strings.Replace(encoded, "$c2FsdHNhbHQ$", "$c2FsdHNhbHR$", 1), // unused bits
			strings.Replace(encoded, "$c2FsdHNhbHQ$", "$c2FsdHNh\nbHQ$", 1),
			strings.Replace(encoded, "$c2FsdHNhbHQ$", "$c2FsdHNhbHQ=$", 1),
			strings.ToUpper(encoded[:6]) + encoded[6:],
			strings.TrimSuffix(encoded, "A") + "B",
			strings.Replace(encoded, ",p=1", ",p=1,p=1", 1) + "x",
		} {
			if err := Check(bad); !errors.Is(err, ErrEncoded) {
				t.Errorf("%q: %v, want ErrEncoded", bad, err)
			}
		}
	}
}

// FuzzParse: no string makes the parser panic, what it accepts is within the limits and has one form only, and its
// stand-in for unknown people has the same costs.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
		"$argon2i$v=19$m=16,t=2,p=1$bGJRWThNOHJJTVBSdHl2dQ$NfEnUOuUpb7F2fQkgFUG4g",
		"$2a$06$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe",
		"$bcrypt-sha256hex$2b$12$uvcpDsnzDCj2m/bxk3o6NeRquz8hZYg1aAf.OUJOAwzMnAMGLrbS.",
		"$scrypt$ln=14,r=16,p=1,nf=kc$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
		"$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw,sk=AAAAAAAAAAAAAAAAAAAAAA$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
		"$pbkdf2-sha1$i=4096,l=16$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
		"$wrapped$md5,b=,a=AAAA,n=2$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, encoded string) {
		got, err := parse(encoded)
		if err != nil {
			if !errors.Is(err, ErrEncoded) && !errors.Is(err, ErrCost) {
				t.Fatalf("%q: %v", encoded, err)
			}
			return
		}
		if got.encode() != encoded || got.limits() != nil || got.memory() > maxMemory || got.memory() < 1 || len(encoded) > maxEncoded {
			t.Fatalf("%q is accepted as %q with %d KiB", encoded, got.encode(), got.memory())
		}
		unknown, err := got.unknown(zeros{})
		if err != nil {
			t.Fatal(err)
		}
		if again, err := parse(unknown.encode()); err != nil || again.memory() != got.memory() || len(unknown.encode()) != len(encoded) {
			t.Fatalf("the stand-in of %q is %q: %v", encoded, unknown.encode(), err)
		}
	})
}

type zeros struct{}

var _ io.Reader = zeros{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }
