package authcode

import (
	"strings"
	"testing"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/jose"
)

func read(t *testing.T, doc string) Claims {
	t.Helper()
	var c Claims
	if err := jose.Object(doc, c.Read); err != nil {
		t.Fatalf("%s: %v", doc, err)
	}
	return c
}

// TestA2_VerifiedIsTheBooleanTrue: no other value proves an address.
func TestA2_VerifiedIsTheBooleanTrue(t *testing.T) {
	for _, tt := range []struct {
		claim    string
		verified bool
	}{
		{`"email_verified":true`, true},
		{`"email_verified":false`, false},
		{`"other":1`, false},
		{`"email_verified":"true"`, false},
		{`"email_verified":"True"`, false},
		{`"email_verified":1`, false},
		{`"email_verified":"1"`, false},
		{`"email_verified":null`, false},
		{`"email_verified":[true]`, false},
		{`"email_verified":{"value":true}`, false},
		{`"email_verified":1.0`, false},
		{`"verified":true`, false},
		{`"verified_email":true`, false},
		{`"xms_edov":true`, false},
		{`"emailVerified":true`, false},
		{`"email_verified":""`, false},
	} {
		id := read(t, `{"sub":"1","email":"Victim@Example.com",`+tt.claim+`}`).Identity("https://i")
		want := postern.Address{Type: "email", Value: "victim@example.com", Verified: tt.verified}
		if len(id.Addresses) != 1 || id.Addresses[0] != want {
			t.Errorf("%s: %+v", tt.claim, id.Addresses)
		}
		if mail, ok := id.Email(); ok != tt.verified || ok && mail != "victim@example.com" {
			t.Errorf("%s: Email() = %q, %v", tt.claim, mail, ok)
		}
	}
}

// TestA2_ProofStaysWithItsAddress: email_verified of one source does not prove the address of another.
func TestA2_ProofStaysWithItsAddress(t *testing.T) {
	token := read(t, `{"sub":"1","email":"victim@example.com"}`)
	token.Fill(read(t, `{"sub":"1","email":"own@example.com","email_verified":true,"phone_number_verified":true,"name":"N"}`))
	if id := token.Identity("https://i"); len(id.Addresses) != 1 || id.Addresses[0] != (postern.Address{Type: "email", Value: "victim@example.com"}) || id.Name != "N" {
		t.Errorf("%+v", id)
	}
	token = read(t, `{"sub":"1","email_verified":true,"phone_number":"+12025550123"}`)
	token.Fill(read(t, `{"sub":"1","email":"victim@example.com","phone_number_verified":true}`))
	id := token.Identity("https://i")
	want := []postern.Address{{Type: "email", Value: "victim@example.com"}, {Type: "phone", Value: "+12025550123"}}
	if len(id.Addresses) != 2 || id.Addresses[0] != want[0] || id.Addresses[1] != want[1] {
		t.Errorf("%+v", id.Addresses)
	}
}

func TestA4_AddressesAreCanonicalOrAbsent(t *testing.T) {
	for in, want := range map[string]string{
		"Ada@Example.COM": "ada@example.com", "ada@example.com": "ada@example.com",
		"": "", "ada": "", "ada@example.com,eve@evil.example": "", "ada@example.com ": "", "\"a b\"@example.com": "",
		"ada@exämple.com": "", "аda@example.com": "", "ada＠example.com": "", "a@b@c.example": "", strings.Repeat("a", 300) + "@example.com": "",
	} {
		c := Claims{Subject: "1", Email: in, EmailVerified: true}
		id := c.Identity("https://i")
		switch {
		case want == "" && len(id.Addresses) != 0, want != "" && (len(id.Addresses) != 1 || id.Addresses[0].Value != want):
			t.Errorf("%q: %+v", in, id.Addresses)
		}
	}
	for in, ok := range map[string]bool{
		"+12025550123": true, "+491701234567": true, "12025550123": false, "+1 202 555 0123": false, "+0123456789": false,
		"+1202555": true, "+120255": false, "+1234567890123456": false, "+1202555012x": false, "+12025550123;ext=5": false,
	} {
		if got := isPhone(in); got != ok {
			t.Errorf("isPhone(%q) = %v", in, got)
		}
	}
}

func TestClaims(t *testing.T) {
	id := read(t, `{"sub":"248289761001","name":"Jane Doe","preferred_username":"j.doe","nickname":"jd","picture":"https://example.com/j.jpg","updated_at":1}`).Identity("https://i")
	if id.Issuer != "https://i" || id.Subject != "248289761001" || id.Name != "Jane Doe" || id.Picture != "https://example.com/j.jpg" || id.Addresses != nil {
		t.Errorf("%+v", id)
	}
	for doc, want := range map[string]string{
		`{"preferred_username":"u","nickname":"n"}`: "u", `{"nickname":"n","preferred_username":"u"}`: "u", `{"nickname":"n"}`: "n",
		`{"name":1,"nickname":"n"}`: "n", `{"name":"` + strings.Repeat("x", maxClaim+1) + `"}`: "",
	} {
		if got := read(t, doc).Identity("i").Name; got != want {
			t.Errorf("%.60s: %q", doc, got)
		}
	}
	for _, sub := range []string{`""`, `1`, `null`, `["a"]`, `"ä"`, `"a\nb"`, `"` + strings.Repeat("x", 256) + `"`} {
		var c Claims
		if err := jose.Object(`{"sub":`+sub+`}`, c.Read); err == nil {
			t.Errorf("sub %s was taken", sub)
		}
	}
	for _, p := range []string{"javascript:alert(1)", "data:image/png;base64,AA", "/x.png", "//example.com/x.png", "https:x", "\x00"} {
		if got := Picture(p); got != "" {
			t.Errorf("Picture(%q) = %q", p, got)
		}
	}
}
