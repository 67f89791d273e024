package users_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/users"
)

// lookAlikes are pairs of addresses that look alike, or that some software folds into one. same: one mailbox by the
// rule of package mailaddr (letters A to Z in either case).
var lookAlikes = []struct {
	a, b string
	same bool
}{
	{"ada@example.com", "Ada@example.com", true}, {"ada@example.com", "ADA@EXAMPLE.COM", true}, {"ada@example.com", "ada@Example.Com", true},
	{"kim@example.com", "KIM@example.com", true}, {"ADA@xn--bcher-kva.example", "ada@XN--BCHER-KVA.example", true},
	{"kim@example.com", "\u212aim@example.com", false}, {"mike@github.com", "m\u0131ke@github.com", false}, {"mike@github.com", "m\u0130ke@github.com", false},
	{"ada@example.com", "ada\uff20example.com", false}, {"ada@example.com", "ada@example\u3002com", false}, {"ada@example.com", "ada@example\uff0ecom", false},
	{"ada@example.com", "\u0430da@example.com", false}, {"ada@example.com", "ad\u0430@example.com", false}, {"ada@example.com", "\uff41da@example.com", false},
	{"ada@example.com", "ada@ex\u0430mple.com", false}, {"ada@example.com", "ada@example.c\u043em", false}, {"ada@example.com", "ada@\uff45xample.com", false},
	{"ada@example.com", "ada@e\u0445ample.com", false}, {"jose@example.com", "jos\u00e9@example.com", false}, {"jose@example.com", "jose\u0301@example.com", false},
	{"jos\u00e9@example.com", "jose\u0301@example.com", false}, {"ada@example.com", "ada\u200b@example.com", false}, {"ada@example.com", "a\u00adda@example.com", false},
	{"ada@example.com", "ada@example.com\u200e", false}, {"ada@example.com", "\u202eada@example.com", false}, {"ada@example.com", "ada@example.com\x00", false},
	{"ada@example.com", "ada@example.com.", false}, {"ada@example.com", "ada@example.com ", false}, {"ada@example.com", " ada@example.com", false},
	{"ada@example.com", "ada @example.com", false}, {"ada@example.com", "\"ada\"@example.com", false}, {"ada@example.com", "ada(x)@example.com", false},
	{"ada@example.com", "ada@example.com\r\n", false}, {"ada@example.com", "ada@[127.0.0.1]", false}, {"ada@example.com", "ada%example.org@example.com", false},
	{"ada@example.com", "a.da@example.com", false}, {"ada@example.com", "ada+x@example.com", false}, {"ada@example.com", "ada@mail.example.com", false},
	{"ada@example.com", "ada@example.co", false}, {"ada@example.com", "ada@examp1e.com", false}, {"ada1@example.com", "adal@example.com", false},
	{"ado@example.com", "ad0@example.com", false}, {"arn@example.com", "am@example.com", false}, {"ada_x@example.com", "ada-x@example.com", false},
	{"ss@example.com", "\u00df@example.com", false}, {"fi@example.com", "\ufb01@example.com", false}, {"ada@faß.example", "ada@fass.example", false},
	{"ada@xn--bcher-kva.example", "ada@b\u00fccher.example", false}, {"ada@example.com", "ada@example.com,bob@example.com", false},
	{"i@example.com", "\u0456@example.com", false}, {"nadia@example.com", "n\u0430dia@example.com", false}, {"o@example.com", "\u03bf@example.com", false},
}

// Of 50 pairs that look alike, one mailbox never has two users, and two mailboxes never have one.
func TestA4_LookAlikes(t *testing.T) {
	if len(lookAlikes) < 50 {
		t.Fatalf("%d pairs", len(lookAlikes))
	}
	refused := 0
	for _, pair := range lookAlikes {
		w := newWorld(t)
		ctx := t.Context()
		first, errA := w.dir.Create(ctx, signUp(mail(pair.a)))
		second, errB := w.dir.Create(ctx, signUp(mail(pair.b)))
		switch {
		case pair.same:
			if errA != nil || !errors.Is(errB, postern.ErrTaken) {
				t.Errorf("%q, %q are one mailbox: %v, %v", pair.a, pair.b, errA, errB)
			}
			if got := w.found(mail(pair.b)); got != first {
				t.Errorf("%q does not find the user of %q", pair.b, pair.a)
			}
			continue
		case errB == nil && first == second, errors.Is(errA, postern.ErrTaken), errors.Is(errB, postern.ErrTaken):
			t.Errorf("%q and %q are one user: %v, %v", pair.a, pair.b, errA, errB)
		case errB != nil && !errors.Is(errB, users.ErrField):
			t.Errorf("%q: %v", pair.b, errB)
		}
		if errB != nil {
			refused++
			if got := w.found(mail(pair.b)); got != "" {
				t.Errorf("%q is refused and finds the user of %q", pair.b, pair.a)
			}
			// A provider that says it has verified such an address gives a user without it, and takes nothing.
			id := w.create(account("g1", pair.b))
			if a := w.user(id).Addresses; len(a) != 0 {
				t.Errorf("%q became the address %+v", pair.b, a)
			}
		}
		if errA == nil && w.found(mail(pair.a)) != first {
			t.Errorf("%q finds another user than the one it was verified for", pair.a)
		}
	}
	if refused < 30 {
		t.Errorf("only %d look-alikes are refused", refused)
	}
}

// Usernames are ASCII, in one case.
func TestA4_Usernames(t *testing.T) {
	w := newWorld(t)
	ada := w.create(username("Mike_K"))
	if got := w.user(ada).Username; got != "mike_k" {
		t.Errorf("the username is %q", got)
	}
	_, err := w.dir.Create(t.Context(), signUp(username("MIKE_K")))
	w.want(err, postern.ErrTaken)
	for _, name := range []string{"mike_\u212a", "m\u0131ke_k", "mike\uff3fk", "mike_k\u200b", "mike_k ", "\u043cike_k", "mike_k\x00", "mi\u030ake_k"} {
		if got := w.found(username(name)); got != "" {
			t.Errorf("%q finds %s", name, got)
		}
		_, err := w.dir.Create(t.Context(), signUp(username(name)))
		w.want(err, users.ErrField)
	}
}

// One address, or a refusal: never a list, a name or a second line.
func TestA5_OneAddress(t *testing.T) {
	w := newWorld(t)
	ada := w.create(mail("ada@example.com"))
	shapes := []string{
		"", "@", "a@", "@b.example", "ada", "a@b", "a@@b.example", "a@b@c.example", "a@b.example,c@d.example", "a@b.example;c@d.example",
		"a@b.example c@d.example", "[\"a@b.example\"]", "<a@b.example>", "Ada <a@b.example>", "a@b.example\nBcc: c@d.example", "a@b.example\r\n",
		"a\x00@b.example", "a@b.example\x00", "\"a b\"@c.example", "\"a\\\"\"@c.example", "a@[127.0.0.1]", "a@[IPv6:::1]", "a@127.0.0.1", "a@1.2.3.4",
		"a(comment)@b.example", "mailto:a@b.example", "a@b.example?subject=x", "a@-b.example", "a@b-.example", "a@b..example", "a@.b.example",
		".a@b.example", "a.@b.example", "a..b@c.example", strings.Repeat("a", 65) + "@b.example", "a@" + strings.Repeat("b", 64) + ".example",
		strings.Repeat("a", 60) + "@" + strings.Repeat("b.", 120) + "example", "a@b.example\t", "a\u00a0@b.example", "a@b.e\u200bxample",
	}
	if len(shapes) < 40 {
		t.Fatalf("%d shapes", len(shapes))
	}
	for _, s := range shapes {
		_, err := w.dir.Create(t.Context(), signUp(mail(s)))
		for what, err := range map[string]error{
			"Create": err, "AddAddress": w.dir.AddAddress(t.Context(), ada, s, users.Extra{}), "AddNote": w.dir.AddNote(t.Context(), ada, s, users.Extra{}),
			"ReplaceAddress": w.dir.ReplaceAddress(t.Context(), ada, "ada@example.com", s, users.Extra{}), "Link": w.dir.Link(t.Context(), ada, mail(s)),
		} {
			var refused *users.FieldError
			if !errors.As(err, &refused) || refused.Field != "address" || len(s) > 3 && strings.Contains(err.Error(), s) {
				t.Errorf("%s of %.40q: %v", what, s, err)
			}
		}
	}
	if u := w.user(ada); len(u.Addresses) != 1 || len(w.all()) != 1 {
		t.Errorf("something was written: %+v", u)
	}
}
