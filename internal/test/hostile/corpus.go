package hostile

import (
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// A Corpus is what a verifier is configured with, and the tokens it is shown.
type Corpus struct {
	Comment  string                     `json:"comment"`
	Time     time.Time                  `json:"time"`     // the clock stands still
	Leeway   string                     `json:"leeway"`   // of the verifier, as time.ParseDuration reads it
	Issuer   string                     `json:"issuer"`   // wanted
	Audience string                     `json:"audience"` // wanted
	Type     string                     `json:"type"`     // wanted in the header
	Kind     string                     `json:"kind"`     // wanted in the claim type
	Access   string                     `json:"access"`   // how long a token of the kind may live
	JWKS     map[string]json.RawMessage `json:"jwks"`     // the sets of keys that cases name
	Shared   map[string]string          `json:"shared"`   // texts that parts name
	Cases    []Case                     `json:"cases"`
}

// A Case is one token and what is to become of it.
type Case struct {
	Group  string `json:"group"`
	Name   string `json:"name"`
	Row    string `json:"row"`   // of docs/security.md
	Layer  Layer  `json:"layer"` // which part of a verifier has to notice
	Keys   string `json:"keys"`  // the set of Corpus.JWKS
	Accept bool   `json:"accept"`
	Reason string `json:"reason,omitempty"` // why it is refused, as session.Reason has it
	Parts  []Part `json:"parts"`            // of the token, to be joined
}

// A Layer is a part of a verifier.
type Layer string

// The layers from the bottom up. A token that one of them has to refuse is right in all those below.
const (
	Signature Layer = "signature" // form, header, key, signature
	JSON      Layer = "json"      // the payload as text
	Claims    Layer = "claims"    // iss, aud, exp, nbf, iat, header typ
	Profile   Layer = "profile"   // what access tokens of one kind hold besides
)

// A Part is text, or bytes that are no text, once or many times over.
type Part struct {
	Use    string `json:"use,omitempty"` // the text of that name in Corpus.Shared; Load puts it into Text
	Text   string `json:"text,omitempty"`
	Base64 string `json:"base64,omitempty"` // standard, padded
	Repeat int    `json:"repeat,omitempty"` // 0 counts as once
}

// Text is the token.
func (c *Case) Text() string {
	var b strings.Builder
	for _, p := range c.Parts {
		text := p.Text
		if p.Base64 != "" {
			raw, err := base64.StdEncoding.DecodeString(p.Base64)
			if err != nil {
				panic(fmt.Sprintf("hostile: case %q: %v", c.Name, err)) // the corpus is part of the program
			}
			text = string(raw)
		}
		for range max(p.Repeat, 1) {
			b.WriteString(text)
		}
	}
	return b.String()
}

//go:embed testdata/corpus.json
var corpus []byte

// Load reads the corpus.
func Load() (*Corpus, error) {
	var c Corpus
	if err := json.Unmarshal(corpus, &c); err != nil {
		return nil, fmt.Errorf("hostile: corpus.json: %w", err)
	}
	for i := range c.Cases {
		for j := range c.Cases[i].Parts {
			if p := &c.Cases[i].Parts[j]; p.Use != "" {
				p.Text = c.Shared[p.Use]
			}
		}
	}
	return &c, nil
}
