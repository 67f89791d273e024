package keys

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/posternauth/postern/internal/oneprocess"
)

// Static returns a [Verifier] with the caller's keys.
//
// Keys with the same kid must be for different algorithms. A key without a kid must be the only one: it answers for any
// kid, so that a certificate or PEM file can be used without knowing what the issuer calls it. The Verifier also has
// the PublicKeys of a [Signer], so that a program that only checks tokens can publish the keys it checks with; shared
// secrets are never among them. The error is ErrWeakKey if the keys do not make a set.
func Static(keys ...*PublicKey) (Verifier, error) {
	if len(keys) == 0 {
		return nil, fmt.Errorf("%w: no keys given", ErrWeakKey)
	}
	set, err := newKeySet(keys)
	if err != nil {
		return nil, err
	}
	return staticVerifier{set, publishable(set.keys)}, nil
}

type staticVerifier struct {
	set    *keySet
	public []*PublicKey
}

func (v staticVerifier) PublicKey(_ context.Context, kid string) (*PublicKey, error) {
	return v.key(kid, "")
}

func (v staticVerifier) key(kid string, alg Algorithm) (*PublicKey, error) {
	if k, ok := v.set.find(kid, alg); ok {
		return k, nil
	}
	return nil, ErrUnknownKey
}

func (v staticVerifier) PublicKeys(context.Context) ([]*PublicKey, error) {
	return slices.Clone(v.public), nil
}

// StaticSigner is a Signer that signs with one key handed in by the caller; also are further keys that verify and are
// published, such as the one that signed before or the one that will sign next. Its keys never change: to revoke one,
// make a Signer without it, in every program that has it. A key of [Generate] belongs to this process: below lambdahttp
// the Signer does not sign with it or publish it, and returns ErrUnavailable and ErrLocal. Errors as [Static].
func StaticSigner(signing SigningKey, also ...*PublicKey) (Signer, error) {
	if signing == nil {
		return nil, fmt.Errorf("%w: no signing key given", ErrWeakKey)
	}
	public := append([]*PublicKey{signing.Public()}, also...)
	set, err := newKeySet(public)
	if err != nil {
		return nil, err
	}
	key, ok := signing.(*localKey)
	return &staticSigner{staticVerifier{set, publishable(set.keys)}, signing, ok && key.generated}, nil
}

type staticSigner struct {
	staticVerifier
	signing SigningKey
	local   bool // the key was made in this process
}

func (s *staticSigner) SigningKey(ctx context.Context, _ time.Duration) (SigningKey, error) {
	if s.local && oneprocess.Refused(ctx) {
		return nil, errLocalRing
	}
	return s.signing, nil
}

func (s *staticSigner) PublicKeys(ctx context.Context) ([]*PublicKey, error) {
	if s.local && oneprocess.Refused(ctx) {
		return nil, errLocalRing
	}
	return s.staticVerifier.PublicKeys(ctx)
}

func publishable(keys []*PublicKey) []*PublicKey {
	out := make([]*PublicKey, 0, len(keys))
	for _, k := range keys {
		if !k.alg.symmetric() {
			out = append(out, k)
		}
	}
	return out
}
