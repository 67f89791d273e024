// Package virtualkey registers the passkeys of virtualwebauthn, the virtual authenticator of tests, as real
// authenticators do.
//
// Version 1.0.3 of virtualwebauthn writes the coordinates of a key without their leading zero bytes, and 1 of 128 keys
// has such bytes. RFC 9053, section 7.1.1, requires the full length, and go-webauthn refuses other keys. A version with
// https://github.com/descope/virtualwebauthn/pull/103 writes them too: with that one, this package can go.
package virtualkey

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"

	"github.com/descope/virtualwebauthn"
	"github.com/go-webauthn/webauthn/protocol/webauthncbor"
)

const size = 32 // bytes of a coordinate on P-256

// Create is virtualwebauthn.CreateAttestationResponse with the coordinates of the key at their full length.
func Create(rp virtualwebauthn.RelyingParty, a virtualwebauthn.Authenticator, c virtualwebauthn.Credential, o virtualwebauthn.AttestationOptions) string {
	text := virtualwebauthn.CreateAttestationResponse(rp, a, c, o)
	cut := c.Key.AttestationData()
	if c.Key.Type != virtualwebauthn.KeyTypeEC2 {
		return text
	}
	var key struct {
		X []byte `cbor:"-2,keyasint"`
		Y []byte `cbor:"-3,keyasint"`
	}
	must(webauthncbor.Unmarshal(cut, &key))
	if len(key.X) == size && len(key.Y) == size {
		return text
	}
	whole, err := webauthncbor.Marshal(map[int]any{1: 2, 3: -7, -1: 1, -2: full(key.X), -3: full(key.Y)})
	must(err)

	var r struct {
		ID       string            `json:"id"`
		RawID    string            `json:"rawId"`
		Type     string            `json:"type"`
		Response map[string]string `json:"response"`
	}
	must(json.Unmarshal([]byte(text), &r))
	client, err := base64.RawURLEncoding.DecodeString(r.Response["clientDataJSON"])
	must(err)
	object, err := base64.RawURLEncoding.DecodeString(r.Response["attestationObject"])
	must(err)
	var att map[string]any
	must(webauthncbor.Unmarshal(object, &att))

	// The key is the end of the authenticator data, which the key itself signs.
	data := append(bytes.TrimSuffix(att["authData"].([]byte), cut), whole...)
	hash := sha256.Sum256(client)
	digest := sha256.Sum256(append(bytes.Clone(data), hash[:]...))
	signature, err := c.Key.Sign(digest[:])
	must(err)
	att["authData"], att["attStmt"] = data, map[string]any{"alg": -7, "sig": signature}
	object, err = webauthncbor.Marshal(att)
	must(err)
	r.Response["attestationObject"] = base64.RawURLEncoding.EncodeToString(object)
	out, err := json.Marshal(r)
	must(err)
	return string(out)
}

// full returns a coordinate with its leading zero bytes.
func full(coordinate []byte) []byte {
	b := make([]byte, size)
	copy(b[size-len(coordinate):], coordinate)
	return b
}

func must(err error) {
	if err != nil {
		panic(fmt.Sprintf("virtualkey: the virtual authenticator writes what it did not write before: %v", err))
	}
}
