package mailaddr_test

import (
	"errors"
	"net/mail"
	"strings"
	"testing"

	"github.com/posternauth/postern/internal/mailaddr"
)

func TestParse(t *testing.T) {
	label := strings.Repeat("d", 63)
	for in, want := range map[string]string{
		"ada@example.com":                   "ada@example.com",
		"Ada.Lovelace+Tag@Mail.Example.COM": "ada.lovelace+tag@mail.example.com",
		"o'brien@example.ie":                "o'brien@example.ie",
		"!#$%&'*+-/=?^_`{|}~@example.com":   "!#$%&'*+-/=?^_`{|}~@example.com",
		"1@2.example":                       "1@2.example",
		"a@XN--BCHER-KVA.example":           "a@xn--bcher-kva.example",
		"a@b-c--d.example":                  "a@b-c--d.example",
		strings.Repeat("l", 64) + "@a.bc":   strings.Repeat("l", 64) + "@a.bc",
		"a@" + label + ".com":               "a@" + label + ".com",
		strings.Repeat("l", 62) + "@" + label + "." + label + "." + label[1:] + ".a":  "",
		strings.Repeat("l", 60) + "@" + label + "." + label + "." + label[1:] + ".ab": strings.Repeat("l", 60) + "@" + label + "." + label + "." + label[1:] + ".ab",
	} {
		a, err := mailaddr.Parse(in)
		if a.String() != want || (err != nil) != (want == "") {
			t.Errorf("Parse(%q) = %q, %v; want %q", in, a, err, want)
		}
	}
}

func TestMask(t *testing.T) {
	for in, want := range map[string]string{
		"ada@example.com": "a…@example.com", "ab@example.com": "a…@example.com", "a@example.com": "…@example.com",
	} {
		a, err := mailaddr.Parse(in)
		if err != nil || a.Mask() != want || a.Domain() != "example.com" {
			t.Errorf("%s: %q, %q, %v", in, a.Mask(), a.Domain(), err)
		}
	}
	if zero := (mailaddr.Address{}); zero.Mask() != "" || zero.String() != "" {
		t.Errorf("the zero Address is %q, %q", zero, zero.Mask())
	}
}

// Every error is for people and repeats nothing of what was typed.
func TestErrorsRepeatNothing(t *testing.T) {
	for _, in := range []string{"canary", "canary@", "@canary", "canary@canary", "canary canary@example.com", "canary@canary_.example.com", "canary@@canary.example"} {
		_, err := mailaddr.Parse(in)
		var e *mailaddr.Error
		if !errors.As(err, &e) || !errors.Is(err, mailaddr.ErrInvalid) || !strings.HasSuffix(e.Text, ".") || strings.Contains(err.Error(), "canary") {
			t.Errorf("%q: %v", in, err)
		}
	}
}

// Each pair looks or compares alike somewhere. The second never becomes another account, and never a mail to
// somewhere else.
func TestA4_LookAlikes(t *testing.T) {
	pairs := [][2]string{
		// Case, plain and special.
		{"ada@example.com", "ADA@example.com"}, {"ada@example.com", "ada@EXAMPLE.com"}, {"ada@example.com", "Ada@Example.Com"},
		{"mike@example.org", "mıke@example.org"}, {"mike@example.org", "MİKE@example.org"}, {"mike@example.org", "mi\u0307ke@example.org"},
		{"kate@example.org", "\u212aate@example.org"}, {"k@kite.example", "k@\u212aite.example"}, {"miss@example.com", "mi\u017fs@example.com"},
		{"strasse@example.com", "straße@example.com"}, {"strasse@example.com", "straẞe@example.com"}, {"fi@example.com", "ﬁ@example.com"},
		{"ada@github.com", "ada@gıthub.com"}, {"ada@github.com", "ada@GİTHUB.com"}, {"ada@mi.example", "ada@Mİ.example"},
		// Full width and other compatibility forms, NFKC to the first.
		{"ada@example.com", "ada\uff20example.com"}, {"ada@example.com", "ada\ufe6bexample.com"}, {"ada@example.com", "ada@example\uff0ecom"},
		{"ada@example.com", "ada@example\u3002com"}, {"ada@example.com", "ada@example\uff61com"}, {"ada@example.com", "ａda@example.com"},
		{"ada@example.com", "ada@ｅxample.com"}, {"ada@example.com", "ada@𝐞xample.com"}, {"ada@example.com", "ⓐda@example.com"},
		{"ada@example.com", "ᴬda@example.com"}, {"a2@example.com", "a²@example.com"}, {"a1@example.com", "a①@example.com"},
		{"1@example.com", "١@example.com"}, {"tm@example.com", "™@example.com"}, {"a@no.example", "a@№.example"},
		// The same letters, composed and decomposed.
		{"rene@example.com", "ren\u00e9@example.com"}, {"rene@example.com", "rene\u0301@example.com"}, {"a@cafe.example", "a@caf\u00e9.example"},
		{"a@cafe.example", "a@cafe\u0301.example"}, {"angstrom@example.com", "\u212bngstrom@example.com"},
		// Other scripts.
		{"ada@example.com", "аda@example.com"}, {"ada@example.com", "ada@exаmple.com"}, {"ada@example.com", "ada@examp\u04cfe.com"},
		{"ada@example.com", "adα@example.com"}, {"paypal@example.com", "раураl@example.com"}, {"o@example.com", "ο@example.com"},
		{"c@example.com", "с@example.com"}, {"x@example.com", "х@example.com"}, {"ada@example.com", "ada@ехаmple.com"},
		// Characters nobody sees, and bytes that are no characters.
		{"ada@example.com", "ada\u200b@example.com"}, {"ada@example.com", "ada@exam\u00adple.com"}, {"ada@example.com", "ada\u2060@example.com"},
		{"ada@example.com", "\u202eada@example.com"}, {"ada@example.com", "\ufeffada@example.com"}, {"ada@example.com", "ada\u3164@example.com"},
		{"ada@example.com", "ada@example.com\u00a0"}, {"ada@example.com", "ada\xff@example.com"}, {"ada@example.com", "ada@example\xc0\xaecom"},
	}
	if len(pairs) < 50 {
		t.Fatalf("only %d pairs", len(pairs))
	}
	for _, pair := range pairs {
		first, err := mailaddr.Parse(pair[0])
		if err != nil {
			t.Errorf("%q: %v", pair[0], err)
		}
		if second, err := mailaddr.Parse(pair[1]); err == nil && second != first {
			t.Errorf("%q and %q make two accounts", pair[0], pair[1])
		}
	}
}

func TestA5_OneAddress(t *testing.T) {
	shapes := []string{
		// None.
		"", " ", "@", "a", "a@", "@example.com", "example.com", "null", "[]", "{}",
		// More than one, or one inside something else.
		"a@example.com,b@example.com", "a@example.com, b@example.com", "a@example.com;b@example.com", "a@example.com b@example.com",
		"a@example.com\nb@example.com", "a@b@example.com", "a@@example.com", "a@example.com@", `["a@example.com","b@example.com"]`, `["a@example.com"]`,
		`{"email":"a@example.com"}`, "Ada <a@example.com>", "<a@example.com>", "mailto:a@example.com", "a@example.com?cc=b@example.com", "team:a@example.com;",
		// Quoting, comments, literals, source routes.
		`"a"@example.com`, `"a@evil.example"@example.com`, `"a b"@example.com`, `a\@b@example.com`, "a(comment)@example.com", "a@(comment)example.com",
		"a@[192.0.2.1]", "a@[IPv6:2001:db8::1]", "a@192.0.2.1", "a@example.1", "@relay.example:a@example.com",
		// Controls and white space.
		"a@example.com\r\nBcc: b@example.com", "a\r\n@example.com", "a@example.com\x00", "a\x00@example.com", "a@example.com\t", " a@example.com", "a@example.com ", "a b@example.com", "a\x7f@example.com", "a@exa\x0bmple.com",
		// Dots, hyphens, labels.
		".a@example.com", "a.@example.com", "a..b@example.com", "a@.example.com", "a@example..com", "a@example.com.", "a@example", "a@-example.com", "a@example-.com", "a@exa_mple.com", "a@example.com:25", "a@example.com/", "a@bücher.example",
		// Too long.
		strings.Repeat("a", 65) + "@example.com", "a@" + strings.Repeat("d", 64) + ".com", "a@" + strings.Repeat("d.", 130) + "com", strings.Repeat("a", 1<<20) + "@example.com",
	}
	if len(shapes) < 40 {
		t.Fatalf("only %d shapes", len(shapes))
	}
	for _, s := range shapes {
		if a, err := mailaddr.Parse(s); !errors.Is(err, mailaddr.ErrInvalid) || a != (mailaddr.Address{}) {
			t.Errorf("%.80q: %q, %v", s, a, err)
		}
	}
}

// TestA5_LongInput: an address too long by a byte and one of 8 MiB cost the same: the error, and nothing by the length.
func TestA5_LongInput(t *testing.T) {
	for name, s := range map[string]string{
		"a byte too long": strings.Repeat("A", mailaddr.MaxLength+1),
		"no @":            strings.Repeat("A", 8<<20), "only @": strings.Repeat("@", 8<<20), "dots": "a@" + strings.Repeat("D.", 4<<20),
		"upper case": "A@" + strings.Repeat("D", 8<<20) + ".COM", "other letters": strings.Repeat("İ", 4<<20) + "@example.com",
	} {
		var err error
		if n := testing.AllocsPerRun(10, func() { _, err = mailaddr.Parse(s) }); n > 1 {
			t.Errorf("%s: %v allocations", name, n)
		}
		var e *mailaddr.Error
		if !errors.As(err, &e) || e.Text != "The mail address is too long." {
			t.Errorf("%s: %v", name, err)
		}
	}
	start := strings.Repeat("l", 60) + "@" + strings.Repeat("d", 63) + "." + strings.Repeat("d", 63) + "." + strings.Repeat("d", 62) + ".a"
	if a, err := mailaddr.Parse(start + "b"); err != nil || len(a.String()) != mailaddr.MaxLength {
		t.Errorf("%d bytes: %v", len(start)+1, err)
	}
}

// Whatever is accepted is one plain address, canonical, and read alike by the standard library.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"ada@example.com", "A.B+c@XN--BCHER-KVA.Example", "a@b@c.de", "\"a\"@b.cd", "a\uff20b.cd", "a@b.cd\r\n", "İ@b.cd", "a@1.2.3.4", "a@b..cd", ".@b.cd"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := mailaddr.Parse(s)
		if err != nil {
			if !errors.Is(err, mailaddr.ErrInvalid) || a != (mailaddr.Address{}) {
				t.Fatalf("Parse(%q) = %q, %v", s, a, err)
			}
			return
		}
		canonical := a.String()
		if again, err := mailaddr.Parse(canonical); err != nil || again != a {
			t.Errorf("Parse(%q) = %q, %v: not the same again", canonical, again, err)
		}
		if !strings.EqualFold(canonical, s) || len(canonical) != len(s) {
			t.Errorf("%q became %q", s, canonical)
		}
		if strings.ContainsFunc(canonical, func(r rune) bool { return r <= ' ' || r > '~' || r >= 'A' && r <= 'Z' }) || strings.Count(canonical, "@") != 1 {
			t.Errorf("%q is not canonical", canonical)
		}
		if std, err := mail.ParseAddress(canonical); err != nil || std.Address != canonical || std.Name != "" {
			t.Errorf("net/mail reads %q as %v, %v", canonical, std, err)
		}
	})
}
