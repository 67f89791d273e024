package passkey

import (
	"testing"
	"time"
)

// FuzzCredential: no text makes the reading of a credential panic, and none is accepted without the private key.
func FuzzCredential(f *testing.F) {
	t := &testing.T{}
	for _, v := range vectors(t) {
		f.Add(v.registration(t).creation())
		f.Add(v.registration(t).plain().creation())
		f.Add(v.assertion(t).shown())
	}
	f.Add(`{"id":"AA","rawId":"AA","type":"public-key","response":{"clientDataJSON":"","authenticatorData":"","signature":""}}`)
	c := ceremony{Challenge: random(32), Algs: []int{-7, -8, -257, -35, -36, -53}}
	f.Fuzz(func(t *testing.T, text string) {
		if r, err := specParty().register(c, text); err == nil {
			t.Errorf("registered: %+v", r)
		}
		s, err := read(text)
		if err != nil {
			return
		}
		if len(s.id) == 0 || len(s.id) > maxID {
			t.Errorf("an id of %d bytes", len(s.id))
		}
		if _, _, err := specParty().assert(c, s, row{ID: s.id, Key: s.parsed.Raw.AssertionResponse.Signature}, false, time.Time{}); err == nil {
			t.Error("accepted")
		}
	})
}

// FuzzCredentialRow: no row of a store makes the reading panic.
func FuzzCredentialRow(f *testing.F) {
	f.Add([]byte(`{"id":"AA","key":"AA","created":"2026-03-01T12:00:00Z"}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, value []byte) {
		r, err := readRow(itemOf(value))
		if err != nil {
			return
		}
		_, _, _ = r.label(), r.describe(), r.methods(true)
		_ = descriptors([]row{r})
	})
}
