package jose

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Limits of a compact token. They are checked before any work is done on it.
const (
	MaxToken  = 16 << 10 // bytes of the whole token; see ParseLong
	MaxHeader = 8 << 10  // bytes of its first part, encoded: some issuers put a chain of certificates there
	MaxKid    = 256      // bytes of kid
)

// A Token is a compact JWS cut into its parts. Nothing in it is to be believed before its signature is checked.
type Token struct {
	Text
	Input     []byte // what is signed (RFC 7515 section 5.1): the first two parts as they came
	Signature []byte // decoded
}

// Text is what a token says.
type Text struct {
	Alg string // as the token says: it must equal the algorithm of the key, and chooses nothing
	Kid string // empty: the token names no key
	Typ string // empty: none given

	Payload string // decoded
}

// Parse cuts up a compact JWS of at most [MaxToken] bytes. It refuses, with [ErrFormat], what is not exactly three
// parts of canonical base64url, a header that is not a JSON object of distinct names with a string alg, alg "none" in
// any spelling, and headers that change the meaning of a signature: crit (no extension is supported), b64, zip, enc,
// and a nested token (cty JWT).
//
// All other members are ignored, as RFC 7515 section 4 requires. Among them are the sources of keys jwk, jku, x5u and
// x5c: a key comes from configuration, so they choose no key and cause no request. The payload is decoded but not read.
func Parse(token string) (Token, error) { return ParseLong(token, MaxToken) }

// ParseLong is Parse for tokens of at most limit bytes.
func ParseLong(token string, limit int) (Token, error) {
	text, input, signature, err := parse(nil, token, limit)
	return Token{text, input, signature}, err
}

// ParseIn is Parse with room for the bytes to check, so that a caller can keep them on its stack. They are on the
// heap if the room is too small; len(token)+8 is enough.
func ParseIn(room []byte, token string) (t Text, input, signature []byte, err error) {
	return parse(room, token, MaxToken)
}

func parse(room []byte, token string, limit int) (t Text, input, signature []byte, err error) {
	// Work on input that nobody has vouched for stays bounded: length and dots come first (CVE-2025-30204).
	if len(token) > limit {
		return Text{}, nil, nil, fmt.Errorf("%w token: longer than %d bytes", ErrFormat, limit)
	}
	if strings.Count(token, ".") != 2 {
		return Text{}, nil, nil, fmt.Errorf("%w token: not three parts", ErrFormat)
	}
	dot1 := strings.IndexByte(token, '.')
	dot2 := strings.LastIndexByte(token, '.')
	if dot1 > MaxHeader {
		return Text{}, nil, nil, fmt.Errorf("%w token: header longer than %d bytes", ErrFormat, MaxHeader)
	}

	// The bytes to hash have the signature behind them. The text is copied once it is known to be text.
	decoded := make([]byte, 0, stackText)
	decoded, ok := DecodeBase64(decoded, token[:dot1])
	head := len(decoded)
	if ok {
		decoded, ok = DecodeBase64(decoded, token[dot1+1:dot2])
	}
	if cap(room) < len(token) {
		room = make([]byte, 0, len(token))
	}
	raw := append(room[:0], token[:dot2]...)
	if ok {
		raw, ok = DecodeBase64(raw, token[dot2+1:])
	}
	if !ok {
		return Text{}, nil, nil, fmt.Errorf("%w token: not canonical base64url", ErrFormat)
	}
	text := string(decoded)
	t.Payload = text[head:]
	if err := t.readHeader(text[:head]); err != nil {
		return Text{}, nil, nil, err
	}
	return t, raw[:dot2:dot2], raw[dot2:], nil
}

// stackText is how much decoded text Parse keeps on its stack before it is copied once.
const stackText = 1 << 10

func (t *Text) readHeader(header string) error {
	haveAlg := false
	err := FoldedObject(header, func(name, value string) (err error) {
		switch name {
		case "crit", "b64", "zip", "enc":
			return fmt.Errorf("%w token header: %q: not supported", ErrFormat, name)
		}
		if value == "null" { // absent
			return nil
		}
		switch name {
		case "alg":
			haveAlg = true
			t.Alg, err = String(value)
		case "kid":
			// An empty kid that is written out names a key nobody has; it is not the absence of a name.
			if t.Kid, err = String(value); err == nil && (t.Kid == "" || len(t.Kid) > MaxKid) {
				err = errors.New("empty or too long")
			}
		case "typ":
			t.Typ, err = String(value)
		case "cty":
			var cty string
			if cty, err = String(value); err == nil && HasType(cty, "JWT") {
				err = errors.New("a token within a token")
			}
		}
		if err != nil {
			return fmt.Errorf("%w token header: %q: %w", ErrFormat, name, err)
		}
		return nil
	})
	switch {
	case err != nil:
		return err
	case !haveAlg || t.Alg == "":
		return fmt.Errorf("%w token header: no alg", ErrFormat)
	case strings.EqualFold(t.Alg, "none"):
		return fmt.Errorf("%w token header: alg none is no signature", ErrFormat)
	}
	return nil
}

// HasType compares typ or cty of a header with the wanted one. It is a media type: letter case does not matter, and
// "application/" may be left out (RFC 7515 section 4.1.9).
func HasType(typ, want string) bool {
	return typ == want || strings.EqualFold(shortType(typ), shortType(want))
}

func shortType(typ string) string {
	const prefix = "application/"
	if len(typ) > len(prefix) && strings.EqualFold(typ[:len(prefix)], prefix) && !strings.Contains(typ[len(prefix):], "/") {
		return typ[len(prefix):]
	}
	return typ
}

// SigningInput returns header and payload in compact form, ready to be signed. kid and typ are left out if empty.
func SigningInput(alg, kid, typ string, payload []byte) []byte {
	header := append(make([]byte, 0, 128), `{"alg":`...)
	header = AppendString(header, alg)
	if kid != "" {
		header = AppendString(append(header, `,"kid":`...), kid)
	}
	if typ != "" {
		header = AppendString(append(header, `,"typ":`...), typ)
	}
	header = append(header, '}')
	enc := base64.RawURLEncoding
	out := make([]byte, 0, enc.EncodedLen(len(header))+1+enc.EncodedLen(len(payload)))
	out = enc.AppendEncode(out, header)
	out = append(out, '.')
	return enc.AppendEncode(out, payload)
}

// Compact joins a signing input and its signature to a token.
func Compact(input, signature []byte) string {
	enc := base64.RawURLEncoding
	out := make([]byte, 0, len(input)+1+enc.EncodedLen(len(signature)))
	out = append(append(out, input...), '.')
	return string(enc.AppendEncode(out, signature))
}

// AppendString appends s as a JSON string.
func AppendString(dst []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			quoted, _ := json.Marshal(s) // cannot fail on a string
			return append(dst, quoted...)
		}
	}
	return append(append(append(dst, '"'), s...), '"')
}
