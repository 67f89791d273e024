package hostile

import "fmt"

// claim adds a token with changed claims, as claims has them.
func (b *batch) claim(name string, changes ...string) {
	b.refuse(name, b.f.token("es256", header("es256"), claims(changes...)))
}

func (b *batch) claimFor(reason, name string, changes ...string) {
	b.refuseFor(reason, name, b.f.token("es256", header("es256"), claims(changes...)))
}

func (b *batch) legalClaim(name string, changes ...string) {
	b.accept(name, b.f.token("es256", header("es256"), claims(changes...)))
}

// times: when a token is valid. The leeway is 30 s; a token lives for an hour, and its iat may be 30 s early.
func (f *forge) times() {
	b := f.batch("time", "J12", Claims, "expired")
	for _, ago := range []int64{30, 31, 60, 3600, now.Unix()} {
		b.claim(fmt.Sprintf("exp %d s ago", ago), "exp", at(-ago), "iat", at(-ago-60))
	}
	b.claim("exp half a second beyond the leeway", "exp", at(-31)+".5", "iat", at(-600))
	b.claim("exp a microsecond beyond the leeway", "exp", at(-31)+".999999", "iat", at(-600))
	b.claim("exp -1", "exp", "-1", "iat", "-600")
	b.claim("exp -0", "exp", "-0", "iat", "-600")
	b.claim("exp -0.0", "exp", "-0.0", "iat", "-600")
	b.claim("exp 1e-300", "exp", "1e-300", "iat", "-600")
	b.claim("exp 0e9", "exp", "0e9", "iat", "-600")
	b.claim("exp -2^53", "exp", "-9007199254740992", "iat", "-9007199254740992")
	b.legalClaim("exp 29 s ago, within the leeway", "exp", at(-29))
	b.legalClaim("exp in a fraction of the leeway", "exp", at(-30)+".5")
	b.legalClaim("exp with a point", "exp", at(600)+".0")
	b.legalClaim("exp with an exponent", "exp", "17672262e2")
	b.legalClaim("exp in the longest life there is", "iat", at(-30), "exp", at(3600))

	b = f.batch("time", "J12", Claims, "not_yet_valid")
	b.claim("nbf in 31 s", "nbf", at(31))
	b.claim("nbf a fraction beyond the leeway", "nbf", at(30)+".5")
	b.claim("nbf tomorrow", "nbf", at(86400))
	b.claim("nbf 2^53", "nbf", "9007199254740992")
	b.claim("iat in 31 s", "iat", at(31))
	b.claim("iat a fraction beyond the leeway", "iat", at(30)+".001")
	b.claim("iat tomorrow", "iat", at(86400), "exp", at(86400+600))
	b.claim("iat in milliseconds", "iat", at(0)+"000", "exp", at(0)+"001")
	b.legalClaim("nbf in 30 s, within the leeway", "nbf", at(30))
	b.legalClaim("nbf long ago", "nbf", "0")
	b.legalClaim("nbf before the epoch", "nbf", "-1.5")
	b.legalClaim("iat in 30 s, within the leeway", "iat", at(30))

	b = f.batch("time", "J12", Claims, "claims")
	b.claim("no exp", "exp", "")
	for _, name := range []string{"exp", "nbf", "iat"} {
		for _, value := range []string{"null", "true", `"` + at(600) + `"`, `""`, `"2026-01-01T01:00:00Z"`, "[" + at(600) + "]", "{}"} {
			b.claim(name+" "+value, name, value)
		}
	}
	b = f.batch("time", "J12", Profile, "claims")
	b.claim("no iat", "iat", "")
	b.claim("exp in milliseconds", "exp", at(600)+"000")
	b.claim("exp 2^53", "exp", "9007199254740992")
	b.claim("a life one second too long", "iat", at(-60), "exp", at(-60+3600+30+2))
	b.claim("a life of ten years", "exp", at(315360000))
	b.claim("iat at the epoch", "iat", "0")
	b.claim("iat -2^53", "iat", "-9007199254740992")
	b.claim("auth_time as text", "auth_time", `"`+at(0)+`"`)
	b.claim("auth_time 1e300", "auth_time", "1e300")
}

// numbers: times that are numbers, but none of a clock. What wraps or rounds makes another time of them.
func (f *forge) numbers() {
	b := f.batch("numbers", "J12", Claims, "claims")
	for _, name := range []string{"exp", "nbf", "iat"} {
		for _, value := range []string{"9007199254740993", "-9007199254740993", "9223372036854775807", "9223372036854775808", "-9223372036854775809",
			"18446744073709551616", "18446744075476778416", "1e17", "1e300", "-1e300", "1e400", "-1e400", "1E+308",
			"99999999999999999999999999999999999999999999999999", "1e9999999999999999999", "9223372036.854775807e9"} {
			b.claim(name+" "+value, name, value)
		}
	}
}

// issuers: who speaks.
func (f *forge) issuers() {
	b := f.batch("iss", "J13", Claims, "issuer")
	b.claim("none", "iss", "")
	for _, iss := range []string{"", "https://api.example.com", "https://api.example.com/", issuer + "/", issuer + "?", issuer + "#", issuer + " ", " " + issuer, issuer + "2",
		"http://api.example.com/auth", "HTTPS://api.example.com/auth", "https://API.example.com/auth", "https://api.example.com/AUTH", "https://api.example.com:443/auth",
		"https://api.example.com./auth", "https://api.example.com//auth", "https://api.example.com/./auth", "https://api.example.com/x/../auth", "https://api.example.com/%61uth",
		"https://user@api.example.com/auth", "https://attacker.example/" + issuer, issuer + ".attacker.example", issuer + "@attacker.example", "https://attacker.example", "//api.example.com/auth",
		"api.example.com/auth", issuer + `\u0000`, issuer + `\n`, `https://api.example.com\\auth`, "https://api.examp\u217ce.com/auth", "https://xn--api.example.com/auth",
		issuer + " " + issuer, issuer + "," + issuer, "self", "*"} {
		b.claim(fmt.Sprintf("%q", iss), "iss", `"`+iss+`"`)
	}
	b = f.batch("iss", "J13", Claims, "claims")
	for _, iss := range []string{"null", "true", "0", `["` + issuer + `"]`, `["https://attacker.example","` + issuer + `"]`, `{"iss":"` + issuer + `"}`, `{"` + issuer + `":1}`} {
		b.claim(iss, "iss", iss)
	}
	b.legalClaim("escaped", "iss", `"https:\/\/api.example.com\/\u0061uth"`)
}

// audiences: who is spoken to.
func (f *forge) audiences() {
	b := f.batch("aud", "J13", Claims, "audience")
	b.claim("none", "aud", "")
	for _, aud := range []string{`""`, `"other"`, `"API"`, `"ap"`, `"apis"`, `"api "`, `" api"`, `"api,other"`, `"other api"`, `"api api"`, `"[\"api\"]"`, `"api\u0000"`, `"api\n"`, `"*"`, `"\uff41pi"`,
		`"https://api.example.com/api"`, "[]", `[""]`, `["other"]`, `["ap","i"]`, `["API","Api"]`, `["a","p","i"]`, `["api "]`} {
		b.claim(aud, "aud", aud)
	}
	b = f.batch("aud", "J13", Claims, "claims")
	for _, aud := range []string{"null", "true", "0", "{}", `{"api":true}`, `{"0":"api"}`, `{"aud":"api"}`, `[["api"]]`, `["api",1]`, `[1,"api"]`, `["api",null]`, `["api",["other"]]`, `[{"aud":"api"}]`, `[true]`} {
		b.claim(aud, "aud", aud)
	}
	b.legalClaim("one of several", "aud", `["other","api"]`)
	b.legalClaim("a list of one", "aud", `["api"]`)
	b.legalClaim("escaped", "aud", `"\u0061pi"`)
}
