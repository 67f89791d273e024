package serve

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/posternauth/postern/keys"
)

// A SignerRequest has the keys of KMS that a program opens.
type SignerRequest struct {
	Keys []SignerKey // one signs from the beginning

	// Report gets each key that is not the one of the configuration.
	Report func(ctx context.Context, arn string, err error)

	Now func() time.Time
}

// A SignerKey is an entry of keys.signers.
type SignerKey struct {
	ARN        string
	Algorithm  keys.Algorithm
	Thumbprint string    // of its public key (RFC 7638), which is the kid
	From       time.Time // when it begins to sign; zero: from the beginning
}

// kmsAlgorithms are those of keys of KMS. The first of a sort of key is its default.
var kmsAlgorithms = []string{"RS256", "ES256", "ES384", "ES512", "RS384", "RS512", "PS256", "PS384", "PS512"}

// checkSigners notes what is wrong with the entries as they are written.
func (k *checker) checkSigners() {
	began := map[time.Time]int{}
	arns := map[string]int{}
	for i, s := range k.Keys.Signers {
		at := fmt.Sprintf("keys.signers[%d]", i)
		arn, isKMS := strings.CutPrefix(s.Key, kmsPrefix)
		other, twice := arns[arn]
		switch {
		case s.Key == "": // is reported as missing
		case !isKMS:
			k.bad(at+".key", fmt.Sprintf("%.100q is not kms:ARN", s.Key), "write kms:arn:aws:kms:REGION:ACCOUNT:key/ID")
		case strings.Contains(arn, "alias/"):
			k.bad(at+".key", "is an alias, which can be moved to another key", "write kms:arn:aws:kms:REGION:ACCOUNT:key/ID (aws kms describe-key)")
		case !keyARN.MatchString(arn):
			k.bad(at+".key", "is not the ARN of a key", "write kms:arn:aws:kms:REGION:ACCOUNT:key/ID (aws kms describe-key)")
		case twice:
			k.bad(at+".key", fmt.Sprintf("is that of keys.signers[%d]", other), "write each key once")
		}
		arns[arn] = i
		k.oneOf(at+".algorithm", s.Algorithm, kmsAlgorithms...)
		if other, same := began[s.From.UTC()]; same {
			k.bad(at+".from", fmt.Sprintf("begins when keys.signers[%d] does, and one of them must sign", other), "write when this key takes over")
		}
		began[s.From.UTC()] = i
	}
}

// signerKeys reads the public keys of keys.signers, the one that signs first first. A problem is noted.
func (b *builder) signerKeys() []SignerKey {
	var all []SignerKey
	kids := map[string]int{}
	for i, s := range b.Keys.Signers {
		at := fmt.Sprintf("keys.signers[%d]", i)
		text := []byte(s.PublicKey)
		if !strings.HasPrefix(strings.TrimSpace(s.PublicKey), "-----BEGIN") {
			if text = b.file(at+".public_key", s.PublicKey); text == nil {
				continue
			}
		}
		public, err := readSignerKey(text, keys.Algorithm(s.Algorithm))
		var other *wrongAlgorithm
		switch {
		case errors.As(err, &other):
			b.problem(at+".algorithm", other.Error(), "write an algorithm of that key, or remove the line")
			continue
		case err != nil:
			b.problem(at+".public_key", "is no public key that signs: "+strings.TrimPrefix(err.Error(), "keys: "), "write the PEM text of aws kms get-public-key: docs/keys.md has the command")
			continue
		}
		kid, err := keys.Thumbprint(public.Public())
		if err != nil {
			b.problem(at+".public_key", err.Error(), "make another key")
			continue
		}
		if other, same := kids[kid]; same {
			b.problem(at+".public_key", fmt.Sprintf("is that of keys.signers[%d]", other), "write the public key of this one")
		}
		kids[kid] = i
		arn, _ := strings.CutPrefix(s.Key, kmsPrefix)
		all = append(all, SignerKey{ARN: arn, Algorithm: public.Algorithm(), Thumbprint: kid, From: s.From})
	}
	slices.SortStableFunc(all, func(a, b SignerKey) int { return a.From.Compare(b.From) })
	return all
}

// wrongAlgorithm is the error for a key that is for other algorithms than its own.
type wrongAlgorithm struct{ want, is keys.Algorithm }

func (e *wrongAlgorithm) Error() string {
	return fmt.Sprintf("is %s, and public_key is a key for %s", e.want, e.is)
}

// readSignerKey reads a public key in PEM. Without an algorithm it is the default of the key.
func readSignerKey(text []byte, want keys.Algorithm) (*keys.PublicKey, error) {
	var first error
	for _, a := range kmsAlgorithms {
		public, err := keys.ParsePublicPEM(text, keys.Algorithm(a), "")
		if first == nil {
			first = err // RS256: about the text, or about the sort of key
		}
		if err != nil {
			continue
		}
		if want == "" || want == public.Algorithm() {
			return public, nil
		}
		if public, err = keys.ParsePublicPEM(text, want, ""); err != nil {
			err = &wrongAlgorithm{want, keys.Algorithm(a)}
		}
		return public, err
	}
	return nil, first
}

// openSigner opens the keys of KMS, if there are any. Without them the ring signs.
func (b *builder) openSigner() error {
	b.house.signer = b.house.ring
	all := b.signerKeys()
	switch {
	case len(all) == 0 || len(b.found) > 0 || b.dry:
		return nil
	case b.OpenSigner == nil:
		b.problem("keys.signers", "this program does not sign with KMS", "remove it, or use another program")
		return nil
	}
	from := all[0].From
	all[0].From = time.Time{} // before, the ring signs
	ctx, cancel := context.WithTimeout(b.ctx, signerPatience)
	defer cancel()
	signer, err := b.OpenSigner(ctx, SignerRequest{Keys: all, Now: b.Now, Report: func(ctx context.Context, arn string, err error) {
		b.Logger.ErrorContext(ctx, "postern: a key of KMS is not the one of the configuration", "arn", arn, "error", err)
	}})
	switch {
	case errors.Is(err, keys.ErrUnavailable):
		return fmt.Errorf("keys.signers: %w", err)
	case err != nil:
		b.problem(b.signerNamed(err.Error()), packagePrefix.ReplaceAllString(err.Error(), ""), "look who changed the key, or write the ARN, the algorithm and the public key of another one")
		return nil
	}
	longest := b.Session.Access
	if b.Admin.Enabled {
		longest = max(longest, b.Admin.Access)
	}
	b.house.signer = takeover{kms: signer, ring: b.house.ring, from: from, until: from.Add(longest + cacheLife), now: b.Now}
	return nil
}

// signerPatience is how long KMS may take for all public keys.
const signerPatience = 15 * time.Second

// signerNamed is the key of the entry whose ARN an error has.
func (b *builder) signerNamed(text string) string {
	for i, s := range b.Keys.Signers {
		if arn, _ := strings.CutPrefix(s.Key, kmsPrefix); strings.Contains(text, arn) {
			return fmt.Sprintf("keys.signers[%d]", i)
		}
	}
	return "keys.signers"
}

// cacheLife is for how long after its last token a key of the ring is published, as keys.Ring has it.
const cacheLife = 2 * time.Hour

// A takeover signs with the ring until the first key of KMS begins, and verifies with the keys of the ring until the
// last token that they signed is dead. Where a key of KMS signs from the beginning, those of the ring never verify:
// who reads the vault can make no token with them.
type takeover struct {
	kms, ring   keys.Signer
	from, until time.Time
	now         func() time.Time
}

func (t takeover) current() keys.Signer {
	switch now := t.now(); {
	case now.Before(t.from):
		return keys.Join(t.ring, t.kms)
	case now.Before(t.until):
		return keys.Join(t.kms, t.ring)
	}
	return t.kms
}

func (t takeover) SigningKey(ctx context.Context, lifetime time.Duration) (keys.SigningKey, error) {
	return t.current().SigningKey(ctx, lifetime)
}

func (t takeover) PublicKey(ctx context.Context, kid string) (*keys.PublicKey, error) {
	return t.current().PublicKey(ctx, kid)
}

func (t takeover) PublicKeys(ctx context.Context) ([]*keys.PublicKey, error) {
	return t.current().PublicKeys(ctx)
}
