package keys_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/keys"
)

// signed returns the signature of "m".
func signed(t *testing.T, key keys.SigningKey) []byte {
	t.Helper()
	sig, err := key.Sign(t.Context(), []byte("m"))
	if err != nil {
		t.Fatal(err)
	}
	return sig
}

// called returns the public key of k under the kid "k".
func called(t *testing.T, k keys.SigningKey) *keys.PublicKey {
	t.Helper()
	public, err := keys.NewPublicKey(k.Public().Public(), k.Public().Algorithm(), "k")
	if err != nil {
		t.Fatal(err)
	}
	return public
}

// TestVerify_OneKidForSeveralAlgorithms: the key is found by kid and algorithm, in every source of keys, and a token
// still cannot choose an algorithm that no key has.
func TestVerify_OneKidForSeveralAlgorithms(t *testing.T) {
	algs := []keys.Algorithm{keys.RS384, keys.RS256, keys.ES256, keys.EdDSA}
	var signers []keys.SigningKey
	var public []*keys.PublicKey
	for _, alg := range algs {
		k := generate(t, alg)
		signers, public = append(signers, k), append(public, called(t, k))
	}
	static, err := keys.Static(public...)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := keys.StaticSigner(generate(t, keys.ES384), public...)
	if err != nil {
		t.Fatal(err)
	}
	for name, v := range map[string]keys.Verifier{
		"Static": static, "StaticSigner": signer, "Remote": remote(t, publish(t, jwks(t, public...)), newClock()),
	} {
		for i, k := range signers {
			sig := signed(t, k)
			if got, err := keys.Verify(t.Context(), v, "k", algs[i], []byte("m"), sig); err != nil || got.Algorithm() != algs[i] {
				t.Errorf("%s, %s: %v, %v", name, algs[i], got, err)
			}
			for _, other := range algs {
				if _, err := keys.Verify(t.Context(), v, "k", other, []byte("m"), sig); other != algs[i] && !errors.Is(err, keys.ErrSignature) {
					t.Errorf("%s, a signature of %s as %s: %v", name, algs[i], other, err)
				}
			}
			for _, none := range []keys.Algorithm{keys.ES512, keys.HS256, keys.PS256, "none", ""} {
				if _, err := keys.Verify(t.Context(), v, "k", none, []byte("m"), sig); !errors.Is(err, keys.ErrAlgorithm) {
					t.Errorf("%s as %q: %v", name, none, err)
				}
			}
		}
		if _, err := keys.Verify(t.Context(), v, "other", keys.ES256, []byte("m"), nil); !errors.Is(err, keys.ErrUnknownKey) {
			t.Errorf("%s, unknown kid: %v", name, err)
		}
	}
}

// foreign is a Verifier of another package.
type foreign struct{ key *keys.PublicKey }

func (f foreign) PublicKey(context.Context, string) (*keys.PublicKey, error) { return f.key, nil }

func TestVerify_AnyVerifier(t *testing.T) {
	k := generate(t, keys.ES256)
	if _, err := keys.Verify(t.Context(), foreign{k.Public()}, "x", keys.ES256, []byte("m"), signed(t, k)); err != nil {
		t.Error(err)
	}
	if _, err := keys.Verify(t.Context(), foreign{k.Public()}, "x", keys.ES256, []byte("n"), signed(t, k)); !errors.Is(err, keys.ErrSignature) {
		t.Error(err)
	}
}

// TestVerify_SameKidAfterARestart: a publisher that was set up anew, with another key under the same kid, is asked once
// within Cooldown, and false signatures do not make more requests than that.
func TestVerify_SameKidAfterARestart(t *testing.T) {
	before, after := generate(t, keys.ES256), generate(t, keys.ES256)
	p, c := publish(t, jwks(t, called(t, before))), newClock()
	v := remote(t, p, c)
	verify := func(k keys.SigningKey) error {
		_, err := keys.Verify(t.Context(), v, "k", keys.ES256, []byte("m"), signed(t, k))
		return err
	}
	if err := verify(before); err != nil {
		t.Fatal(err)
	}
	doc := jwks(t, called(t, after))
	p.serve(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, doc) })
	if err := verify(after); !errors.Is(err, keys.ErrSignature) {
		t.Errorf("within Cooldown of the fetch: %v", err)
	}
	c.Advance(31 * time.Second)
	if err := verify(generate(t, keys.ES256)); !errors.Is(err, keys.ErrSignature) {
		t.Errorf("a false signature that has the new set fetched: %v", err)
	}
	if err := verify(after); err != nil {
		t.Errorf("after Cooldown: %v", err)
	}
	if err := verify(before); !errors.Is(err, keys.ErrSignature) {
		t.Errorf("the key of before: %v", err)
	}
	fetches := p.fetches.Load()
	for range 1000 {
		if err := verify(before); !errors.Is(err, keys.ErrSignature) {
			t.Fatal(err)
		}
	}
	if n := p.fetches.Load() - fetches; n != 0 {
		t.Errorf("%d requests for false signatures within Cooldown", n)
	}
	c.Advance(31 * time.Second)
	p.down()
	for range 10 {
		if err := verify(before); !errors.Is(err, keys.ErrSignature) {
			t.Errorf("a false signature while the publisher is down: %v", err)
		}
	}
	if err := verify(after); err != nil {
		t.Errorf("a good one while the publisher is down: %v", err)
	}
	if n := p.fetches.Load() - fetches; n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
}

// TestRemote_NobodyWaitsLongerThanTheyHave: a caller leaves with its context, and the fetch goes on for others.
func TestRemote_NobodyWaitsLongerThanTheyHave(t *testing.T) {
	a := generate(t, keys.ES256)
	doc := jwks(t, a.Public())
	p, release := publish(t, doc), make(chan struct{})
	p.serve(func(w http.ResponseWriter, _ *http.Request) { <-release; fmt.Fprint(w, doc) })
	v := remote(t, p, newClock())
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := v.PublicKey(ctx, a.Public().ID()); !errors.Is(err, keys.ErrUnavailable) || !strings.Contains(err.Error(), "deadline") {
		t.Errorf("%v", err)
	}
	close(release)
	if _, err := v.PublicKey(t.Context(), a.Public().ID()); err != nil || p.fetches.Load() != 1 {
		t.Errorf("%v after %d fetches", err, p.fetches.Load())
	}
}
