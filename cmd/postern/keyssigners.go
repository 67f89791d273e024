package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/posternauth/postern/internal/awsvault"
	server "github.com/posternauth/postern/internal/serve"
	"github.com/posternauth/postern/keys"
)

// A kmsStatus is a key of KMS as keys status prints it.
type kmsStatus struct {
	Key       string         `json:"key"`
	ARN       string         `json:"arn"`
	Algorithm keys.Algorithm `json:"algorithm"`
	State     keys.State     `json:"state"` // pending, signing, or passive
	From      time.Time      `json:"from,omitzero"`
}

// kmsKeys are the keys of KMS of a configuration, the one that signs first first.
type kmsKeys struct {
	list []server.SignerKey
	open func(context.Context, server.SignerRequest) (keys.Signer, error)
}

// sign reports whether a key of KMS signs at a time.
func (k kmsKeys) sign(at time.Time) bool { return len(k.list) > 0 && !k.list[0].From.After(at) }

func (k kmsKeys) status(now time.Time) (all []kmsStatus) {
	for i, key := range k.list {
		s := kmsStatus{key.Thumbprint, key.ARN, key.Algorithm, keys.StateSigning, key.From.UTC()}
		switch {
		case key.From.After(now):
			s.State = keys.StatePending
		case i+1 < len(k.list) && !k.list[i+1].From.After(now):
			s.State = keys.StatePassive
		}
		all = append(all, s)
	}
	return all
}

// signed is what check signs. It has no dot, so no part of a token is made of it.
const signed = "a signature for postern keys status"

// check asks KMS whether the keys are those of the configuration, and for a signature of each that signs or will. It
// has an error for each key that fails.
func (k kmsKeys) check(ctx context.Context, now time.Time) error {
	var all []error
	for i, status := range k.status(now) {
		key := k.list[i]
		key.From = time.Time{} // a later one shows now whether it can sign
		signer, err := k.open(ctx, server.SignerRequest{
			Keys: []server.SignerKey{key}, Now: func() time.Time { return now },
			Report: func(context.Context, string, error) {}, // the error is printed
		})
		if err == nil && status.State != keys.StatePassive {
			err = testSignature(ctx, signer)
		}
		if err != nil {
			all = append(all, err)
		}
	}
	return errors.Join(all...)
}

func testSignature(ctx context.Context, signer keys.Signer) error {
	key, err := signer.SigningKey(ctx, 0)
	if err == nil {
		_, err = key.Sign(ctx, []byte(signed))
	}
	if err != nil {
		return fmt.Errorf("the key of KMS cannot sign; run this as the role of the server, which needs kms:Sign: %w", err)
	}
	return nil
}

// rings opens the ring of --config or of the other flags.
func (c keysStatus) rings(ctx context.Context, w world) (*keys.Ring, kmsKeys, func(), error) {
	if c.Config != "" {
		return c.configured(ctx, w, "")
	}
	ring, done, err := c.ring(ctx, w)
	return ring, kmsKeys{}, done, err
}

// configured opens the ring of --config, which is there already. It reads no secret but that of the keys.
func (f vaultFlags) configured(ctx context.Context, w world, alg keys.Algorithm) (*keys.Ring, kmsKeys, func(), error) {
	if given(f.Vault, "POSTERN_VAULT") {
		return nil, kmsKeys{}, nil, usagef("--config names the vault: leave out --vault")
	}
	if f.KeyFile != "" || given(f.Seal, "POSTERN_SEAL") {
		return nil, kmsKeys{}, nil, usagef("--config names what seals the vault: leave out --vault-key-file and --seal")
	}
	config, parts, err := readConfig(w, f.Config)
	if err != nil {
		return nil, kmsKeys{}, nil, err
	}
	look, err := server.ExamineKeys(ctx, config, parts)
	if err != nil {
		return nil, kmsKeys{}, nil, err
	}
	ring, done, err := examinedRing(ctx, w, look, alg)
	return ring, kmsKeys{look.Signers, parts.OpenSigner}, done, err
}

// examinedRing opens the ring of a configuration that is there already. Without an algorithm, new keys have that of the
// newest one.
func examinedRing(ctx context.Context, w world, look server.Look, alg keys.Algorithm) (*keys.Ring, func(), error) {
	if look.Vault.URL == "memory" || look.Vault.URL == "store" && look.StoreURL == "" {
		return nil, nil, errors.New("[keys] vault: the keys are in the memory of the server, where no command can see them")
	}
	v := look.Vault
	request := awsvault.Request{URL: v.URL, Ring: v.Ring, Key: v.Key, KMS: v.KMS, AWS: loadAWS}
	done := func() {}
	if v.URL == "store" {
		var err error
		if request.Store, done, err = openStore(ctx, w, "[store] url", look.StoreURL); err != nil {
			return nil, nil, err
		}
	}
	vault, err := awsvault.Open(ctx, request)
	if err != nil {
		done()
		return nil, nil, fmt.Errorf("[keys] vault: %w", err)
	}
	ring, has, err := namedVault{Vault: vault}.ring(ctx, keys.RingConfig{Algorithm: alg, Now: w.now}, false)
	if err == nil && !has {
		err = errors.New("[keys] vault: there are no keys yet; the first start of the server makes them")
	}
	if err != nil {
		done()
		return nil, nil, err
	}
	return ring, done, nil
}
