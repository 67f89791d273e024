package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/posternauth/postern/keys"
)

// keyAlgorithms are those a ring can make keys of.
const keyAlgorithms = "RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA"

type keysGroup struct {
	New    keysNew    `cmd:"" help:"Add a key, and say when it takes over. Run it every few months."`
	List   keysList   `cmd:"" help:"List the keys, what each does now and until when."`
	JWKS   keysJWKS   `cmd:"" name:"jwks" help:"Print the public keys as a JWKS document (RFC 7517)."`
	Revoke keysRevoke `cmd:"" help:"End a key at once: what it signed is refused."`
}

// dataFlag is the data folder on the command line.
type dataFlag struct {
	Data string `default:"./.postern" placeholder:"DIR" help:"The data folder. Default: ./.postern"`
}

// ring opens the ring of a folder that must have one.
func (d dataFlag) ring(ctx context.Context, w world) (*keys.Ring, error) {
	f := folder(d.Data)
	switch has, err := f.hasKeys(); {
	case err != nil:
		return nil, err
	case !has:
		return nil, fmt.Errorf("there are no keys in %s; make the first with: postern keys new --data %[1]s", d.Data)
	}
	return f.ring(ctx, keys.RingConfig{Now: w.now})
}

type keysNew struct {
	dataFlag
	Alg string `default:"RS256" enum:"${algorithms}" placeholder:"ALG" help:"Algorithm of the key: ${algorithms}. Default: RS256, which every gateway accepts and which is the fastest to check."`
}

// Help is shown below the usage line.
func (keysNew) Help() string {
	return `The first key of a folder signs at once. A later one is published at once and begins to sign when it is three hours old, when every cache of the public keys knows it; until then the old one goes on. Nobody is signed out, and nothing has to be restarted: a running program reads its keys anew every five minutes.

The keys are kept sealed in DIR/keys.vault; DIR/vault.key opens it. Keep copies of the two apart.`
}

// Run adds a key.
func (c keysNew) Run(ctx context.Context, w world) error {
	f := folder(c.Data)
	if err := f.create(); err != nil {
		return err
	}
	had, err := f.hasKeys()
	if err != nil {
		return err
	}
	ring, err := f.ring(ctx, keys.RingConfig{Algorithm: keys.Algorithm(c.Alg), Now: w.now})
	if err != nil {
		return err
	}
	if had { // otherwise opening the ring made its first key
		if err := ring.Rotate(ctx); err != nil {
			return err
		}
	}
	list, err := ring.Keys(ctx)
	if err != nil {
		return err
	}
	newest := list[len(list)-1]
	fmt.Fprintf(w.out, "New key:  %s  (%s)\n", newest.ID, newest.Algorithm)
	if newest.State == keys.StateSigning {
		fmt.Fprintln(w.out, "It signs from now on.")
		return nil
	}
	fmt.Fprintf(w.out, "It is published now and signs %s (%s).\n", inWords(newest.Activates, w.now()), stamp(newest.Activates))
	return nil
}

type keysList struct{ dataFlag }

// Run lists the keys, the newest first.
func (c keysList) Run(ctx context.Context, w world) error {
	ring, err := c.ring(ctx, w)
	if err != nil {
		return err
	}
	list, err := ring.Keys(ctx)
	if err != nil {
		return err
	}
	slices.Reverse(list)
	now := w.now()
	t := tabwriter.NewWriter(w.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "KEY\tALGORITHM\tSTATE\tCREATED\tNEXT")
	for _, k := range list {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", k.ID, k.Algorithm, k.State, inWords(k.Created, now), nextOf(k, now))
	}
	return t.Flush()
}

// nextOf says what will become of a key, or became of it.
func nextOf(k keys.KeyInfo, now time.Time) string {
	switch k.State {
	case keys.StatePending:
		return "signs " + inWords(k.Activates, now)
	case keys.StateSigning:
		return "signs until a newer key takes over"
	case keys.StatePassive:
		if k.Retires.IsZero() {
			return "checks what it signed"
		}
		return "checks what it signed, retires " + inWords(k.Retires, now)
	case keys.StateRetired:
		return "retired " + inWords(k.Retires, now)
	case keys.StateRevoked:
		return "revoked " + inWords(k.Revoked, now)
	}
	return ""
}

type keysJWKS struct{ dataFlag }

// Run prints the key set.
func (c keysJWKS) Run(ctx context.Context, w world) error {
	ring, err := c.ring(ctx, w)
	if err != nil {
		return err
	}
	public, err := ring.PublicKeys(ctx)
	if err != nil {
		return err
	}
	document, err := keys.JWKS(public)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w.out, "%s\n", document)
	return err
}

type keysRevoke struct {
	Key string `arg:"" help:"The key to end, as keys list names it."`
	dataFlag
}

// Help is shown below the usage line.
func (keysRevoke) Help() string {
	return `For a key that may be known to somebody else. Every session it signed ends: here at once, in other running programs within five minutes, at gateways when their copy of the JWKS expires. If it was the one that signs, another takes its place in the same step.

To replace a key in peace, use "postern keys new" instead.`
}

// Run revokes a key.
func (c keysRevoke) Run(ctx context.Context, w world) error {
	ring, err := c.ring(ctx, w)
	if err != nil {
		return err
	}
	err = ring.Revoke(ctx, c.Key)
	if errors.Is(err, keys.ErrUnknownKey) {
		return fmt.Errorf("the ring has no key %q; see: postern keys list --data %s", c.Key, c.Data)
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(w.out, "Revoked:  %s\nWhat it signed is refused from now on.\n", c.Key)
	return nil
}
