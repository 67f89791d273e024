package hostile

import (
	"fmt"
	"strings"
	"unicode/utf16"
)

// duplicates: members that two readers could understand differently.
func (f *forge) duplicates() {
	head := func(members string) string {
		return f.token("es256", strings.TrimSuffix(header("es256"), "}")+","+members+"}", claims())
	}
	b := f.batch("duplicate", "J8", Signature, "malformed")
	for _, m := range []string{`"alg":"ES256"`, `"alg":"none"`, `"ALG":"none"`, `"Alg":"ES256"`, `"al\u0067":"none"`, `"kid":"es256"`, `"kid":"rs256"`, `"Kid":"rs256"`,
		`"` + "\u212Aid" + `":"rs256"`, `"\u212Aid":"rs256"`, `"typ":"at+jwt"`, `"TYP":"JWT"`, `"x":1,"x":1`, `"x":1,"X":2`, `"a":1,"\u0061":2`} {
		b.refuse("header and "+m, head(m))
	}
	b.refuse("alg none in front", f.token("es256", strings.Replace(header("es256"), "{", `{"alg":"none",`, 1), claims()))

	b = f.batch("duplicate", "J8", JSON, "malformed")
	body := func(members string) string {
		return f.token("es256", header("es256"), strings.TrimSuffix(claims(), "}")+","+members+"}")
	}
	for _, m := range []string{`"exp":` + at(9999), `"EXP":` + at(9999), `"\u0065xp":` + at(9999), `"eXp":null`, `"iss":"` + issuer + `"`, `"ISS":"https://attacker.example"`,
		`"i\u0073s":"https://attacker.example"`, `"sub":"admin"`, `"Sub":"admin"`, `"` + "ſub" + `":"admin"`, `"\u017Fub":"admin"`, `"aud":"other"`, `"AUD":["api"]`, `"type":"admin"`, `"Type":"admin"`,
		`"properties":{"userID":"admin"}`, `"Properties":{"userID":"admin"}`, `"jti":"j2"`, `"x":1,"x":2`, `"x":1,"X":2`,
		`"x":{"a":1,"a":2}`, `"x":[{"a":1,"\u0061":2}]`, `"x":{"a":{"b":{"c":1,"c":1}}}`, `"` + "\u212A" + `":1,"k":2`, `"ß":1,"ẞ":2`} {
		b.refuse("claims and "+m, body(m))
	}
	b.refuse("exp in front", f.token("es256", header("es256"), strings.Replace(claims(), "{", `{"exp":`+at(9999)+`,`, 1)))
	b.refuse("properties twice within", f.token("es256", header("es256"), claims("properties", `{"userID":"u1","userID":"admin"}`)))
	b.refuse("properties twice within, escaped", f.token("es256", header("es256"), claims("properties", `{"userID":"u1","user\u0049D":"admin"}`)))
	b.accept("names with escapes, once each", f.token("es256", header("es256"), strings.Replace(claims(), `"exp"`, `"\u0065\u0078p"`, 1)))
	b.accept("one name at two depths", f.token("es256", header("es256"), claims("x", `{"exp":1,"x":{"exp":2}}`)))

	b = f.batch("duplicate", "J8", Claims, "claims")
	b.refuse("EXP instead of exp", f.token("es256", header("es256"), claims("exp", "", "EXP", at(600))))
	b.refuseFor("issuer", "ISS instead of iss", f.token("es256", header("es256"), claims("iss", "", "ISS", `"`+issuer+`"`)))
	b.refuseFor("audience", "Aud instead of aud", f.token("es256", header("es256"), claims("aud", "", "Aud", `"api"`)))
}

// encoding: the compact form, written otherwise.
func (f *forge) encoding() {
	good := f.good()
	p := strings.Split(good, ".")
	join := func(parts ...string) string { return strings.Join(parts, ".") }
	b := f.batch("encoding", "J9", Signature, "malformed")
	for i, name := range []string{"header", "payload", "signature"} {
		with := func(what, part string) {
			q := append([]string{}, p...)
			q[i] = part
			b.refuse(name+" "+what, join(q...))
		}
		for _, junk := range []struct{ name, text string }{{"=", "="}, {"==", "=="}, {"space", " "}, {"line feed", "\n"}, {"CR LF", "\r\n"}, {"tab", "\t"},
			{"%3D", "%3D"}, {"byte over 0x7f", "\xff"}, {"zero width space", "\u200b"}, {"byte order mark", "\ufeff"}} {
			with("followed by "+junk.name, p[i]+junk.text)
			with("with "+junk.name+" within", p[i][:8]+junk.text+p[i][8:])
		}
		with("after a space", " "+p[i])
		with("after a line feed", "\n"+p[i])
		with("without its last character", p[i][:len(p[i])-len(p[i])%4]+"A") // one digit of four is none
	}
	// Parts that have - and _ in base64url, + and / in base64: the text makes them.
	odd := f.token("es256", header("es256", "x", `"~~~???>>>"`), claims("x", `"~~~???>>>"`))
	q := strings.Split(odd, ".")
	b.accept("digits - and _", odd)
	for i, name := range []string{"header", "payload"} {
		if !strings.ContainsAny(q[i], "-_") {
			f.t.Fatalf("the %s has neither - nor _", name)
		}
		r := append([]string{}, q...)
		r[i] = strings.NewReplacer("-", "+", "_", "/").Replace(r[i])
		b.refuse(name+" with digits + and /", join(r...))
	}
	for unused := 1; unused <= 2; unused++ { // 4 or 2 bits of the last digit mean nothing, and are zero
		h, c := header("es256"), claims()
		h, c = pad(h, unused), pad(c, unused)
		b.accept(fmt.Sprintf("%d byte over, unused bits zero", unused), f.token("es256", h, c))
		input := stray(b64(h)) + "." + b64(c)
		b.refuse(fmt.Sprintf("header of %d byte over, unused bits set", unused), input+"."+b64(f.signature("es256", input)))
		input = b64(h) + "." + stray(b64(c))
		b.refuse(fmt.Sprintf("payload of %d byte over, unused bits set", unused), input+"."+b64(f.signature("es256", input)))
	}
	b.refuse("signature, unused bits set", join(p[0], p[1], stray(p[2])))
	f.compactForm(b, good)
}

// compactForm: three parts and nothing else.
func (f *forge) compactForm(b *batch, good string) {
	b.Row = "J10"
	p := strings.Split(good, ".")
	flat := fmt.Sprintf(`{"payload":"%s","protected":"%s","signature":"%s"}`, p[1], p[0], p[2])
	for name, token := range map[string]string{
		"nothing": "", "dot": ".", "two dots": "..", "three dots": "...", "a word": "token", "null": "null", "header only": p[0], "two parts": p[0] + "." + p[1],
		"dot in front": "." + good, "dot behind": good + ".", "two dots behind": good + "..", "four parts": good + "." + p[2], "five parts, as JWE": p[0] + "." + p[1] + "." + p[2] + "." + p[1] + "." + p[2],
		"two tokens": good + good, "two tokens, comma": good + "," + good, "two tokens, line feed": good + "\n" + good, "spaces around": " " + good + " ",
		"in quotes": `"` + good + `"`, "Bearer in front": "Bearer " + good, "percent-encoded dots": strings.ReplaceAll(good, ".", "%2E"), "commas for dots": strings.ReplaceAll(good, ".", ","),
		"one dot leaders for dots": strings.ReplaceAll(good, ".", "\u2024"), "byte order mark": "\ufeff" + good, "NUL behind": good + "\x00", "encoded once more": b64(good), "in UTF-16": wide(good, false),
		"JSON flattened": flat, "JSON general": fmt.Sprintf(`{"payload":"%s","signatures":[{"protected":"%s","signature":"%s"}]}`, p[1], p[0], p[2]),
		"JSON flattened with a good token in it": strings.Replace(flat, "{", `{"x":"`+good+`",`, 1), "JSON that is a token too (CVE-2022-39227)": fmt.Sprintf(`{"%s.%s.":"","protected":"%s","payload":"%s","signature":"%s"}`, p[0], p[1], p[0], p[1], p[2]),
		"header and payload changed for one another": p[1] + "." + p[0] + "." + p[2], "no header": "." + p[1] + "." + p[2],
	} {
		b.refuse(name, token)
	}
}

// pad adds white space to JSON until n bytes are left over from groups of three.
func pad(s string, n int) string {
	for len(s)%3 != n {
		s += " "
	}
	return s
}

// stray sets the lowest bit of the last digit.
func stray(part string) string {
	const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(digits, part[len(part)-1])
	return part[:len(part)-1] + digits[last|1:last|1+1]
}

// wide is s in UTF-16, big end first.
func wide(s string, mark bool) string {
	units := utf16.Encode([]rune(s))
	if mark {
		units = append([]uint16{0xfeff}, units...)
	}
	var out []byte
	for _, u := range units {
		out = append(out, byte(u>>8), byte(u))
	}
	return string(out)
}

// strictJSON: header and payload as JSON that only some readers take, signed as they stand.
func (f *forge) strictJSON() {
	for _, part := range []struct {
		name  string
		layer Layer
		row   string
		make  func(change func(string) string) string
	}{
		{"header", Signature, "J10", func(change func(string) string) string {
			return f.token("es256", change(header("es256", "x", `"x"`)), claims())
		}},
		{"payload", JSON, "J10", func(change func(string) string) string {
			return f.token("es256", header("es256"), change(claims("x", `"x"`)))
		}},
	} {
		b := f.batch("json", part.row, part.layer, "malformed")
		swap := func(name, x string) {
			b.refuse(part.name+": "+name, part.make(func(s string) string { return strings.Replace(s, `"x":"x"`, x, 1) }))
		}
		whole := func(name string, change func(string) string) { b.refuse(part.name+": "+name, part.make(change)) }
		for name, x := range map[string]string{
			"invalid UTF-8": "\"x\":\"\xff\"", "overlong UTF-8": "\"x\":\"\xc0\xaf\"", "surrogate in UTF-8": "\"x\":\"\xed\xa0\x80\"", "beyond Unicode": "\"x\":\"\xf4\x90\x80\x80\"",
			"cut UTF-8": "\"x\":\"\xe2\x82\"", "invalid UTF-8 in a name": "\"\xff\":1", "lone surrogate": `"x":"\ud800"`, "lone low surrogate": `"x":"\udc00"`,
			"surrogates in the wrong order": `"x":"\udc00\ud800"`, "control character": "\"x\":\"\x01\"", "line feed in a string": "\"x\":\"\n\"", "NUL in a string": "\"x\":\"\x00\"",
			"unknown escape": `"x":"\x41"`, "escape cut short": `"x":"\u00"`, "capital U": `"x":"\U0041"`, "single quotes": `'x':'x'`, "name without quotes": `x:"x"`,
			"trailing comma": `"x":"x",`, "comma twice": `"x":"x",,"y":1`, "no colon": `"x" "x"`, "no value": `"x":`, "comment": `"x":"x"/*c*/`, "line comment": "\"x\":\"x\"//c\n",
			"NaN": `"x":NaN`, "Infinity": `"x":Infinity`, "undefined": `"x":undefined`, "True": `"x":True`, "hexadecimal": `"x":0x10`, "leading zero": `"x":01`, "leading plus": `"x":+1`,
			"no digit before the point": `"x":.5`, "no digit after the point": `"x":1.`, "no exponent": `"x":1e`, "minus alone": `"x":-`, "underscore in a number": `"x":1_000`,
			"form feed as space": "\f\"x\":1", "no-break space as space": "\u00a0\"x\":1", "vertical tab as space": "\v\"x\":1",
		} {
			swap(name, x)
		}
		whole("byte order mark", func(s string) string { return "\ufeff" + s })
		whole("UTF-16", func(s string) string { return wide(s, false) })
		whole("UTF-16 with mark", func(s string) string { return wide(s, true) })
		whole("brace behind", func(s string) string { return s + "}" })
		whole("object behind", func(s string) string { return s + "{}" })
		whole("itself behind", func(s string) string { return s + s })
		whole("NUL behind", func(s string) string { return s + "\x00" })
		whole("letters behind", func(s string) string { return s + "abc" })
		whole("no closing brace", func(s string) string { return strings.TrimSuffix(s, "}") })
		whole("in an array", func(s string) string { return "[" + s + "]" })
		whole("in a string", func(s string) string { return `"` + strings.ReplaceAll(s, `"`, `\"`) + `"` })
		for name, text := range map[string]string{"nothing": "", "space": " ", "null": "null", "true": "true", "number": "1", "string": `"x"`, "empty array": "[]", "brace": "{"} {
			whole(name, func(string) string { return text })
		}
		b.accept(part.name+": white space", part.make(func(s string) string { return " \t\r\n" + strings.ReplaceAll(s, ":\"x\"", " : \"x\"") + "\n" }))
		b.accept(part.name+": letters of four bytes, escaped and not", part.make(func(s string) string { return strings.Replace(s, `"x":"x"`, `"x":"😀\ud83d\ude00"`, 1) }))
	}
	b := f.batch("json", "J15", Signature, "malformed")
	b.accept("header: an object in it", f.token("es256", header("es256", "x", "{}"), claims()))
	b.accept("header: an array in it", f.token("es256", header("es256", "x", "[1]"), claims()))
	b = f.batch("json", "J15", JSON, "malformed")
	deep := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	b.accept("payload: 32 deep", f.token("es256", header("es256"), claims("x", deep(31))))
	b.refuse("payload: 33 deep", f.token("es256", header("es256"), claims("x", deep(32))))
	b.refuse("payload: 33 deep, objects", f.token("es256", header("es256"), claims("x", strings.Repeat(`{"x":`, 32)+"1"+strings.Repeat("}", 32))))
	b.refuse("payload: 2,000 deep and open", f.token("es256", header("es256"), claims("x", strings.Repeat("[", 2000))))
}
