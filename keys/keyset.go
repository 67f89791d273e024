package keys

import (
	"context"
	"crypto"
	"fmt"
	"slices"
)

// keySet finds keys by kid, and by algorithm where keys share a kid.
type keySet struct {
	keys []*PublicKey // without copies
	byID map[string][]*PublicKey
	only *PublicKey // the only key, if there is one
}

// newKeySet refuses sets in which a name is ambiguous: two keys with one kid and one algorithm, or a key without kid
// among several. It also refuses sets that mix shared secrets with public keys, because what one side may publish the
// other must hide. A key that is given twice counts once.
func newKeySet(keys []*PublicKey) (*keySet, error) {
	set := &keySet{byID: make(map[string][]*PublicKey, len(keys))}
	for _, k := range keys {
		if k == nil {
			return nil, fmt.Errorf("%w: a nil key", ErrWeakKey)
		}
		switch twin := k.twinIn(set.byID[k.id]); {
		case twin != nil && twin.equal(k):
			continue
		case twin != nil:
			return nil, fmt.Errorf("%w: two keys for %s have the kid %q", ErrWeakKey, k.alg, k.id)
		case k.alg.symmetric() != keys[0].alg.symmetric():
			return nil, fmt.Errorf("%w: shared secrets and public keys in one set", ErrWeakKey)
		}
		set.keys = append(set.keys, k)
		set.byID[k.id] = append(set.byID[k.id], k)
	}
	if len(set.byID[""]) > 0 && len(set.keys) > 1 {
		return nil, fmt.Errorf("%w: a key without a kid among several cannot be found", ErrWeakKey)
	}
	if len(set.keys) == 1 {
		set.only = set.keys[0]
	}
	return set, nil
}

// distinct leaves out copies, and the keys among which a token could not choose: two keys with one kid and one
// algorithm, and keys without kid among several. It returns how many were left out for that.
func distinct(keys []*PublicKey) (out []*PublicKey, ambiguous int) {
	var all []*PublicKey
	for _, k := range keys {
		if !slices.ContainsFunc(all, k.equal) {
			all = append(all, k)
		}
	}
	for _, k := range all {
		twins := 0
		for _, other := range all {
			if other.id == k.id && other.alg == k.alg {
				twins++
			}
		}
		if twins > 1 || k.id == "" && len(all) > 1 {
			ambiguous++
			continue
		}
		out = append(out, k)
	}
	return out, ambiguous
}

// twinIn returns the key of list with k's kid and algorithm.
func (k *PublicKey) twinIn(list []*PublicKey) *PublicKey {
	for _, other := range list {
		if other.id == k.id && other.alg == k.alg {
			return other
		}
	}
	return nil
}

// equal compares kid, algorithm and key. Two shared secrets are never equal here.
func (k *PublicKey) equal(other *PublicKey) bool {
	comparable, ok := k.key.(interface{ Equal(crypto.PublicKey) bool })
	return k.id == other.id && k.alg == other.alg && ok && comparable.Equal(other.key)
}

// find returns the key for kid. Among several with that kid it is the one for alg, else the first.
func (s *keySet) find(kid string, alg Algorithm) (*PublicKey, bool) {
	if s.only != nil {
		return s.only, kid == "" || s.only.id == "" || s.only.id == kid
	}
	list := s.byID[kid]
	if kid == "" || len(list) == 0 {
		return nil, false
	}
	for _, k := range list {
		if k.alg == alg {
			return k, true
		}
	}
	return list[0], true
}

// Verify checks the signature sig of message with the key that from has for kid, and returns that key. kid and alg are
// those of the header of a token.
//
// It does two things beyond from.PublicKey and [PublicKey.Verify]. Where a publisher uses one kid for keys of several
// algorithms, the key for alg is used; an algorithm that no key has is still refused, because the algorithm belongs to
// the key. And if the signature does not verify, a [Remote] set is fetched anew, but not twice within its Cooldown: a
// publisher that was set up anew may use the same kid for another key.
//
// The error is ErrUnknownKey, ErrUnavailable, ErrAlgorithm or ErrSignature.
func Verify(ctx context.Context, from Verifier, kid string, alg Algorithm, message, sig []byte) (*PublicKey, error) {
	key, err := lookup(ctx, from, kid, alg)
	switch {
	case err != nil:
		return nil, err
	case key.alg != alg:
		return nil, ErrAlgorithm
	case key.Verify(message, sig) == nil:
		return key, nil
	}
	if r, ok := from.(*remote); ok {
		if newer := r.renewed(ctx, kid, alg, key); newer != nil && newer.alg == alg && newer.Verify(message, sig) == nil {
			return newer, nil
		}
	}
	return nil, ErrSignature
}

func lookup(ctx context.Context, from Verifier, kid string, alg Algorithm) (*PublicKey, error) {
	switch v := from.(type) {
	case *remote:
		return v.key(ctx, kid, alg)
	case staticVerifier:
		return v.key(kid, alg)
	case *staticSigner:
		return v.key(kid, alg)
	}
	return from.PublicKey(ctx, kid)
}
