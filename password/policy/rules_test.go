package policy

import (
	"strings"
	"testing"

	"github.com/posternauth/postern/password/common8"
	"github.com/posternauth/postern/password/wordlist"
)

// TestP4_Expected: what others would try first for this service and this person is refused, with the reason; passwords
// that merely have a name, a word or a few neighbours in them are not.
func TestP4_Expected(t *testing.T) {
	p := newPolicy(t, Config{Names: []string{"Example Shop", "shop.example.com"}})
	about := []string{"Ada.Lovelace+news@mail.example.org", "ada_l", "Ada Lovelace", "", "\u00c9mile"}
	for password, want := range map[string]Code{
		"exampleshopexampleshop":                     Name,
		"Example Shop Example":                       Name,
		"EXAMPLESHOP2026":                            Name,
		"example-shop-123!":                          Name,
		"AdaLovelace1815":                            Name,
		"lovelaceadalovelace":                        Name,
		"ada.lovelace@mail.example.org":              Name,
		"LovelaceLovelace":                           Name,
		"E\u0301mile \u00e9mile 2026!":               Name,
		"adaexampleshop!":                            Name,
		"ada shops at the corner":                    "",
		"example 8530 1947 2206":                     "", // a name and twelve digits
		"lovelace wrote algebra":                     "",
		"correct horse battery staple":               Common,
		"CORRECTHORSEBATTERYSTAPLE":                  Common,
		"123456789987654321":                         Common,
		"1qaz2wsx3edc4rfv":                           Common,
		"aaaaaaaaaaaaaaaa":                           Common,
		"zzzzzzzzzzzzzzzzz":                          Repeated,
		"abcabcabcabcabcabc":                         Repeated,
		"horse7horse7horse7":                         Repeated,
		"xkcdpassxkcdpassxkcdpass":                   Repeated,
		"abababababababa":                            Repeated, // the last piece is cut
		"rats live on no evil rats live on no evil ": "",       // twice a password that is long enough
		"abcdefghijklmnop":                           Common,
		"zyxwvutsrqponmlkj":                          Sequence,
		"34567890123456789":                          Sequence,
		"qwertyuiopasdfghjkl":                        Common,
		"qwertzuiopasdfghj":                          Sequence,
		"azertyuiopqsdfgh":                           Sequence,
		"!QAZ@WSX#EDC$RFV":                           Sequence,
		"poiuytrewqlkjhgf":                           Sequence,
		"aaabbbcccdddeee1":                           Sequence,
		"\u0430\u0431\u0432\u0433\u0434\u0435\u0436\u0437\u0438\u0439\u043a\u043b\u043c\u043d\u043e\u043f": Sequence, // the Russian alphabet
		"as we were reading poetry": "",
		"popular opera stereo":      "",
		"hijack the first stone":    "",
	} {
		if got := code(t, p.Check(password, about...)); got != want {
			t.Errorf("%q: %q, want %q", password, got, want)
		}
	}
}

// TestCheck_Unrelated: what is known of one person refuses nothing for another, and empty names refuse nothing.
func TestCheck_Unrelated(t *testing.T) {
	p := newPolicy(t, Config{Names: []string{"", " ", "a", "12"}})
	for _, password := range []string{"AdaLovelace1815", "kraftwerk uhr montag", "a b c a b c a x y"} {
		if err := p.Check(password); err != nil {
			t.Errorf("%q: %v", password, err)
		}
	}
}

// TestP2_NoComposition: three passphrases of lower case letters, a number, and signs alone pass.
func TestP2_NoComposition(t *testing.T) {
	p := newPolicy(t, Config{})
	for _, password := range []string{
		"wolke sieben am fluss", "bitter lemon sunday", "seventeenlazyllamas", "8530 1947 2206 7", "%&/(§=?*+_-;:!<>", "\u6211\u7684\u4e2d\u6587\u53e3\u4ee4\u53ef\u4ee5\u4f7f\u7528\u5f88\u591a\u6c49\u5b57\u554a",
	} {
		if err := p.Check(password); err != nil {
			t.Errorf("%q: %v", password, err)
		}
	}
}

// TestNew_Lengths: a policy for short passwords needs a list for them.
func TestNew_Lengths(t *testing.T) {
	list, err := common8.List()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range []struct {
		config Config
		says   string
	}{
		{Config{MinLength: 7, Lists: []*wordlist.List{list}}, "choose from 8 to 256"},
		{Config{MinLength: -1}, "choose from 8 to 256"},
		{Config{MinLength: 257}, "choose from 8 to 256"},
		{Config{MinLength: 8}, "common8.List"},
		{Config{MinLength: 14, Lists: []*wordlist.List{{}}}, "common8.List"},
		{Config{Lists: []*wordlist.List{nil}}, "nil list"},
	} {
		if p, err := New(e.config); err == nil || p != nil || !strings.Contains(err.Error(), e.says) {
			t.Errorf("%+v: %v, want an error with %q", e.config, err, e.says)
		}
	}
	p := newPolicy(t, Config{MinLength: LengthWithFactor, Lists: []*wordlist.List{list}})
	if p.MinLength() != 8 {
		t.Errorf("MinLength is %d", p.MinLength())
	}
	for password, want := range map[string]Code{
		"kzpw8q2": TooShort, "kzpw8q2m": "", "Trustno1": Common, "correct horse battery staple": Common, "99998888": Common, "efghvbnm": Sequence,
	} {
		if got := code(t, p.Check(password)); got != want {
			t.Errorf("%q: %q, want %q", password, got, want)
		}
	}
}

// TestError_Texts: each code has another sentence for pages, which shows nothing of the password.
func TestError_Texts(t *testing.T) {
	seen := map[string]Code{}
	for _, c := range []Code{TooLong, NotText, TooShort, Common, Name, Repeated, Sequence, "another"} {
		text := (&Error{Code: c, Min: 15}).Error()
		if seen[text] != "" || !strings.HasSuffix(text, ".") || len(text) > 120 {
			t.Errorf("%s: %q is also the text of %q", c, text, seen[text])
		}
		seen[text] = c
	}
	if text := (&Error{Code: TooShort, Min: 15}).Error(); !strings.Contains(text, "15 characters") {
		t.Error(text)
	}
}
