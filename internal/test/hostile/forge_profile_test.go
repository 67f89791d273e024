package hostile

import (
	"fmt"
	"strings"
)

// kinds: tokens of this issuer that are for something else, and access tokens that lack what those of a kind have.
func (f *forge) kinds() {
	b := f.batch("kind", "J14", Claims, "typ")
	for _, typ := range []string{"JWT", "jwt", "logout+jwt", "dpop+jwt", "link+jwt", "reset+jwt", "secevent+jwt", "token-introspection+jwt", "oauth-authz-req+jwt", "rt+jwt", "id+jwt",
		"at", "at+jwt;v=1", "at+jwt ", " at+jwt", "at+jw", "at+jwts", "at jwt", "at%2Bjwt", "text/at+jwt", "application/jwt", "application/at", "application/application/at+jwt", "application/", "/at+jwt",
		`at+jwt\u0000`, "\uff41t+jwt", ""} {
		b.refuse(fmt.Sprintf("typ %q", typ), f.token("es256", header("es256", "typ", `"`+typ+`"`), claims()))
	}
	b.refuse("no typ", f.token("es256", header("es256", "typ", ""), claims()))
	b.refuse("typ null", f.token("es256", header("es256", "typ", "null"), claims()))
	b.refuse("Typ instead", f.token("es256", header("es256", "typ", "", "Typ", `"at+jwt"`), claims()))
	b.refuse("typ in the payload instead", f.token("es256", header("es256", "typ", ""), claims("typ", `"at+jwt"`)))
	for _, typ := range []string{"AT+JWT", "application/at+jwt", "Application/At+Jwt"} {
		b.accept(fmt.Sprintf("typ %q", typ), f.token("es256", header("es256", "typ", `"`+typ+`"`), claims()))
	}
	b = f.batch("kind", "J14", Signature, "malformed")
	for _, typ := range []string{"true", "1", `["at+jwt"]`, `{"at+jwt":1}`} {
		b.refuse("typ "+typ, f.token("es256", header("es256", "typ", typ), claims()))
	}

	b = f.batch("kind", "J14", Profile, "kind")
	b.claim("no type", "type", "")
	b.claim("Type instead", "type", "", "Type", `"user"`)
	for _, typ := range []string{"", "admin", "apikey", "User", "USER", "user ", " user", "users", "use", "public", `user\u0000`, "user,admin", "*"} {
		b.claim(fmt.Sprintf("type %q", typ), "type", `"`+typ+`"`)
	}
	b.claim("ID token: type gone, nonce and at_hash there", "type", "", "nonce", `"n"`, "at_hash", `"h"`)
	b.claim("logout token", "type", "", "events", `{"http://schemas.openid.net/event/backchannel-logout":{}}`)
	b.claim("introspection answer", "type", "", "active", "true", "token_introspection", `{"active":true}`)

	b = f.batch("kind", "J14", Profile, "claims")
	for _, typ := range []string{"null", "true", "0", `["user"]`, `{"user":1}`} {
		b.claim("type "+typ, "type", typ)
	}

	b = f.batch("profile", "J14", Claims, "claims")
	for _, name := range []string{"sub", "jti", "client_id", "scope"} {
		for _, value := range []string{"null", "true", "1", "[]", "{}"} {
			b.claim(name+" "+value, name, value)
		}
	}
	b.claim("no sub", "sub", "")
	b.claim("empty sub", "sub", `""`)

	b = f.batch("profile", "J14", Profile, "claims")
	for _, name := range []string{"jti", "sid", "client_id"} {
		b.claim("no "+name, name, "")
		b.claim("empty "+name, name, `""`)
	}
	for _, value := range []string{"null", "1", "[]", "{}"} {
		b.claim("sid "+value, "sid", value)
	}
	b.claim("scope as a list", "scope", `["orders:read"]`)
	for _, name := range []string{"roles", "amr"} {
		for _, value := range []string{"null", "1", `"owner"`, "{}", "[1]", `["owner",null]`, `[["owner"]]`} {
			b.claim(name+" "+value, name, value)
		}
	}
	b.claim("no properties", "properties", "")
	for _, value := range []string{`"u1"`, "1", "true", "[]", `["u1"]`, `{"userID":1}`, `{"userID":["u1"]}`, `{"userID":{}}`, `{"userID":true}`} {
		b.claim("properties "+value, "properties", value)
	}
	b.claim("userID beside properties, not in them", "properties", "", "userID", `"u1"`)
	b.legalClaim("everything there is", "scope", `"orders:read orders:write"`, "roles", `["owner"]`, "amr", `["pwd","otp"]`, "auth_time", at(-60), "nbf", at(-60))
	b.legalClaim("claims nobody knows", "nonce", `"n"`, "x", `{"y":[1,2,{"z":null}]}`, "https://example.com/claim", "1e300")
	b.legalClaim("properties nobody knows", "properties", `{"userID":"u1","x":1e300}`)
}

// dos: input that is to cost more than it is worth. The largest is 8 MiB.
func (f *forge) dos() {
	const whole = 8 << 20
	b := f.batch("dos", "J15", Signature, "malformed")
	h, c := b64(header("es256")), b64(claims())
	add := func(name string, parts ...Part) { b.add(name, "malformed", false, parts...) }
	add("8 MiB of A", Part{Text: "A", Repeat: whole})
	add("8 MiB of dots", Part{Text: ".", Repeat: whole})
	add("8 MiB of A and dots", Part{Text: "A.", Repeat: whole / 2})
	add("8 MiB of opening braces, encoded", Part{Text: "e3t7", Repeat: whole / 4})
	add("8 MiB of line feeds", Part{Text: "\n", Repeat: whole})
	add("8 MiB of NUL", Part{Base64: "AAAA", Repeat: whole / 3})
	add("8 MiB of bytes over 0x7f", Part{Base64: "////", Repeat: whole / 3})
	add("8 MiB of padding", Part{Text: h + "." + c + "."}, Part{Text: "=", Repeat: whole})
	add("8 MiB of header", Part{Text: "e30g", Repeat: whole / 4}, Part{Text: "." + c + "."})
	add("8 MiB of payload", Part{Text: h + "."}, Part{Text: "WyJb", Repeat: whole / 4}, Part{Text: "."})
	add("8 MiB of signature", Part{Text: h + "." + c + "."}, Part{Text: "AAAA", Repeat: whole / 4})
	add("8 MiB of good tokens", Part{Text: f.good() + ".", Repeat: whole / (len(f.good()) + 1)})
	add("one byte beyond 16 KiB", Part{Text: h + "." + c + "."}, Part{Text: "A", Repeat: 16<<10 + 1 - len(h) - len(c) - 2})
	add("16 KiB of dots", Part{Text: ".", Repeat: 16 << 10})
	add("16 KiB with a header of nearly all", Part{Text: "e30g", Repeat: 4000}, Part{Text: ".e30."})
	add("p2c, as password-based encryption has it", Part{Text: f.token("es256", header("es256", "alg", `"PBES2-HS256+A128KW"`, "p2c", "2147483647", "enc", `"A128GCM"`), claims())})

	// These fill the 16 KiB there are, and are signed: a signature costs the attacker one stolen key, no more.
	const room = 11000
	b.Layer = JSON
	fill := func(name, x string) { b.claim(name, "x", x) }
	fill("5,000 deep", strings.Repeat("[", room/2)+strings.Repeat("]", room/2))
	fill("5,000 deep, objects", strings.Repeat(`{"":`, room/5)+"1"+strings.Repeat("}", room/5))
	var names, folded strings.Builder
	for i := range 500 {
		fmt.Fprintf(&names, `"n%d":1,`, i)
		fmt.Fprintf(&folded, `"%s":1,`, strings.Repeat("k", i%12)+fmt.Sprint(i))
	}
	fill("500 names, the last twice", "{"+names.String()+`"n499":1}`)
	b.refuse("500 claims, the last twice in two letter cases", f.token("es256", header("es256"), "{"+folded.String()+strings.TrimPrefix(claims(strings.Repeat("K", 499%12)+"499", "1"), "{")))
	b.Layer = Claims
	b.claimFor("claims", "exp of 10,000 digits", "exp", strings.Repeat("9", 10000))
	b.claimFor("claims", "exp with an exponent of 10,000 digits", "exp", "1e"+strings.Repeat("9", 10000))
	b.claimFor("audience", "2,000 audiences", "aud", `["`+strings.Repeat(`a","`, 2000)+`a"]`)
	b.claimFor("audience", "an audience of 1,800 escapes", "aud", `"`+strings.Repeat(`\u0061`, 1800)+`"`)
	b.Layer = Profile
	b.claimFor("claims", "2,000 roles, the last no text", "roles", `["`+strings.Repeat(`a","`, 2000)+`a",1]`)
	b.legalClaim("2,000 scopes", "scope", `"`+strings.Repeat("a ", 2000)+`a"`)
	b.legalClaim("nbf of 10,000 digits behind the point", "nbf", "1."+strings.Repeat("9", 10000))
}
