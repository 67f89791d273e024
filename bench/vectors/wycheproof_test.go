package vectors

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"testing"

	"github.com/c2sp/wycheproof"

	"github.com/posternauth/postern/internal/jose"
	"github.com/posternauth/postern/keys"
)

// read reads one file of vectors. n is how many there are in it: fewer would mean that some are not seen.
func read[Group any](t *testing.T, name string, n int) []Group {
	t.Helper()
	data, err := fs.ReadFile(wycheproof.TestVectors, name)
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		NumberOfTests int
		TestGroups    []Group
	}
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	if file.NumberOfTests != n {
		t.Fatalf("%s has %d vectors, not %d", name, file.NumberOfTests, n)
	}
	return file.TestGroups
}

type jwsGroup struct {
	Comment         string
	Public, Private json.RawMessage
	Tests           []struct {
		ID                   int `json:"tcId"`
		Comment, JWS, Result string
	}
}

// set is what a verifier would be given: the public key, or the shared secret.
func (g *jwsGroup) set() string {
	key := string(g.Public)
	if key == "" {
		key = string(g.Private)
	}
	var document struct{ Keys json.RawMessage }
	if json.Unmarshal([]byte(key), &document) == nil && document.Keys != nil {
		return key
	}
	return `{"keys":[` + key + `]}`
}

// verify is how a token is checked everywhere in Postern, short of its claims.
func verify(ctx context.Context, set, token string) error {
	list, err := keys.ParseJWKS([]byte(set))
	if err != nil {
		return err
	}
	verifier, err := keys.Static(list...)
	if err != nil {
		return err
	}
	tok, err := jose.Parse(token)
	if err != nil {
		return err
	}
	key, err := verifier.PublicKey(ctx, tok.Kid)
	if err != nil {
		return err
	}
	if string(key.Algorithm()) != tok.Alg {
		return errors.New("the algorithm is not that of the key")
	}
	return key.Verify(tok.Input, tok.Signature)
}

// defects are vectors whose verdict is wrong, by what a strict verifier says instead.
var defects = map[int]struct {
	accept bool
	why    string
}{
	346: {false, "the key is for PS256, the token says PS384"},
	347: {false, `the key is for "ES521", not an algorithm`},
	350: {false, "the key is for PS256, the token says PS384"},
	351: {false, `the key is for "ES521", not an algorithm`},
	367: {true, "byte for byte the same token as 357, which is valid: its padding was lost"},
	370: {true, "byte for byte the same token as 357, which is valid: its padding was lost"},
	372: {false, "a ? in the header"},
	373: {false, "a ? in the payload"},
}

func TestJ11_WycheproofJWS(t *testing.T) {
	tried, differ := 0, 0
	for _, g := range read[jwsGroup](t, "json_web_signature_test.json", 401) {
		for _, one := range g.Tests {
			tried++
			want := one.Result == "valid"
			if d, ok := defects[one.ID]; ok {
				if d.accept == want {
					t.Errorf("%d is no longer a defect: %s", one.ID, d.why)
				}
				want = d.accept
				differ++
			}
			if err := verify(t.Context(), g.set(), one.JWS); (err == nil) != want {
				t.Errorf("%d %s %s (%s): %v", one.ID, g.Comment, one.Comment, one.Result, err)
			}
		}
	}
	if tried != 401 || differ != len(defects) {
		t.Errorf("%d tokens tried, %d defects", tried, differ)
	}
	t.Logf("%d tokens; %d verdicts are defects of the vectors", tried, differ)
}

// TestJ16_WycheproofJWK: of 26 keys the 21 that are weak or for something else are refused, the 5 others kept. A vector
// that is about a token is about the key as well: the signatures are right.
func TestJ16_WycheproofJWK(t *testing.T) {
	refused, kept := 0, 0
	for _, g := range read[jwsGroup](t, "json_web_key_test.json", 26) {
		for _, one := range g.Tests {
			err := verify(t.Context(), g.set(), one.JWS)
			if (err == nil) != (one.Result == "valid") {
				t.Errorf("%d %s %s (%s): %v", one.ID, g.Comment, one.Comment, one.Result, err)
			}
			if _, bad := keys.ParseJWKS([]byte(g.set())); bad == nil && err != nil && one.Comment != "rejectsModifiedSignature" {
				t.Errorf("%d %s %s: the key is taken, and refused only with its token: %v", one.ID, g.Comment, one.Comment, err)
			}
			if err == nil {
				kept++
			} else {
				refused++
			}
		}
	}
	if refused != 21 || kept != 5 {
		t.Errorf("%d refused, %d kept", refused, kept)
	}
}

// serialized is a token: text, or the text of a JSON object.
type serialized string

func (s *serialized) UnmarshalJSON(data []byte) error {
	if data[0] == '{' {
		*s = serialized(data)
		return nil
	}
	return json.Unmarshal(data, (*string)(s))
}

// TestJ2_WycheproofCrypto takes the 49 vectors about signed tokens; the 34 others are about encrypted ones, which are
// never accepted.
func TestJ2_WycheproofCrypto(t *testing.T) {
	signed, encrypted := 0, 0
	type group struct {
		jwsGroup
		Tests []struct {
			ID              int `json:"tcId"`
			JWS, JWE        serialized
			Comment, Result string
		}
	}
	for _, g := range read[group](t, "json_web_crypto_test.json", 83) {
		for _, one := range g.Tests {
			if one.JWE != "" {
				encrypted++
				if err := verify(t.Context(), g.set(), string(one.JWE)); err == nil {
					t.Errorf("%d %s %s: accepted", one.ID, g.Comment, one.Comment)
				}
				continue
			}
			signed++
			if err := verify(t.Context(), g.set(), string(one.JWS)); (err == nil) != (one.Result == "valid") {
				t.Errorf("%d %s %s (%s): %v", one.ID, g.Comment, one.Comment, one.Result, err)
			}
		}
	}
	if signed != 49 || encrypted != 34 {
		t.Errorf("%d signed, %d encrypted", signed, encrypted)
	}
}
