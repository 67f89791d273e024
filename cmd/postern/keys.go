package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/posternauth/postern/keys"
)

// keyAlgorithms are those a ring can make keys of.
const keyAlgorithms = "RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA"

type keysGroup struct {
	Rotate keysRotate `cmd:"" help:"Add a key, and say when it takes over. Run it every few months."`
	Status keysStatus `cmd:"" help:"Print the age of the newest key, what changes next, and what gateways may still accept."`
	Import keysImport `cmd:"" help:"Keep the public key of another system for a time, such as that of SST Auth, to check its tokens."`
	List   keysList   `cmd:"" help:"List the keys, master secrets and imported keys, what each does now and until when."`
	JWKS   keysJWKS   `cmd:"" name:"jwks" help:"Print the public keys as a JWKS document (RFC 7517)."`
	Revoke keysRevoke `cmd:"" help:"End a key: new processes refuse what it signed at once, running programs within five minutes."`
}

// dataFlag is the data folder on the command line.
type dataFlag struct {
	Data string `default:"./.postern" placeholder:"DIR" help:"The data folder. Default: ./.postern"`
}

type keysRotate struct {
	vaultFlags
	Alg string `default:"" enum:",${algorithms}" placeholder:"ALG" help:"Algorithm of the key: ${algorithms}. Default: that of the newest key. The first key is RS256, which every gateway accepts and which is the fastest to check."`
}

// Help is shown below the usage line.
func (keysRotate) Help() string {
	return `The first key of a vault signs at once. A later one is published at once and begins to sign when it is three hours old, when every cache of the public keys knows it; until then the old one goes on. Nobody is signed out, and nothing has to be restarted: a running program reads its keys anew every five minutes. Each time a master secret is added as well; refresh tokens and sealed cookies rest on those.

The keys of the data folder are kept sealed in DIR/keys.vault; DIR/vault.key opens it. Keep copies of the two apart. With --vault they are kept where your program keeps them; the store and its tables must be there already.`
}

// Run adds a key.
func (c keysRotate) Run(ctx context.Context, w world) error {
	ring, had, done, err := c.begin(ctx, w)
	if err != nil {
		return err
	}
	defer done()
	before := map[string]bool{}
	if had { // otherwise opening the ring made its first key
		list, err := ring.Keys(ctx)
		if err != nil {
			return err
		}
		for _, k := range list {
			before[k.ID] = true
		}
		if err := ring.Rotate(ctx); err != nil {
			return err
		}
	}
	list, err := ring.Keys(ctx)
	if err != nil {
		return err
	}
	newest := list[len(list)-1]
	for _, k := range list {
		if !before[k.ID] { // of keys of the same second, any may be the last
			newest = k
		}
	}
	fmt.Fprintf(w.out, "New key:  %s  (%s)\n", newest.ID, newest.Algorithm)
	if newest.State == keys.StateSigning {
		fmt.Fprintln(w.out, "It signs from now on.")
		return nil
	}
	fmt.Fprintf(w.out, "It is published now and signs %s (%s).\n", inWords(newest.Activates, w.now()), stamp(newest.Activates))
	return nil
}

// begin opens the ring, and makes it if it is not there. The ring of a configuration is made by its server.
func (c keysRotate) begin(ctx context.Context, w world) (ring *keys.Ring, had bool, done func(), err error) {
	alg := keys.Algorithm(c.Alg)
	if c.Config != "" {
		ring, _, done, err = c.configured(ctx, w, alg)
		return ring, true, done, err
	}
	vault, err := c.open(ctx, w, true)
	if err != nil {
		return nil, false, nil, err
	}
	if ring, had, err = vault.ring(ctx, keys.RingConfig{Algorithm: alg, Now: w.now}, true); err != nil {
		vault.done()
	}
	return ring, had, vault.done, err
}

type keysList struct {
	vaultFlags
	JSON bool `name:"json" help:"Print JSON, one key a line."`
}

// A listedKey is a key or master secret as keys list --json prints it. Times that are not known yet are left out.
type listedKey struct {
	ID        string     `json:"id"`
	Use       string     `json:"use"` // "signing", "secret" or "imported"
	Algorithm string     `json:"algorithm,omitempty"`
	State     keys.State `json:"state"`
	Created   time.Time  `json:"created,omitzero"` // not of an imported key
	Activates time.Time  `json:"activates,omitzero"`
	Retires   time.Time  `json:"retires,omitzero"`
	Revoked   time.Time  `json:"revoked,omitzero"`
}

// The values of listedKey.Use.
const (
	useSigning  = "signing"
	useSecret   = "secret"
	useImported = "imported"
)

// ringKeys returns the keys of a ring, then its master secrets, and then its imported keys, each the newest first.
func ringKeys(ctx context.Context, ring *keys.Ring) (all []listedKey, err error) {
	for _, part := range []struct {
		use  string
		list func(context.Context) ([]keys.KeyInfo, error)
	}{{useSigning, ring.Keys}, {useSecret, ring.MasterSecrets}, {useImported, ring.ImportedKeys}} {
		infos, err := part.list(ctx)
		if err != nil {
			return nil, err
		}
		slices.Reverse(infos)
		for _, k := range infos {
			all = append(all, listedKey{k.ID, part.use, string(k.Algorithm), k.State, k.Created.UTC(), k.Activates.UTC(), k.Retires.UTC(), k.Revoked.UTC()})
		}
	}
	return all, nil
}

// Run lists the keys, the master secrets and the imported keys, the newest first.
func (c keysList) Run(ctx context.Context, w world) error {
	ring, done, err := c.ring(ctx, w)
	if err != nil {
		return err
	}
	defer done()
	list, err := ringKeys(ctx, ring)
	if err != nil {
		return err
	}
	if c.JSON {
		for _, k := range list {
			if err := json.NewEncoder(w.out).Encode(k); err != nil {
				return err
			}
		}
		return nil
	}
	now := w.now()
	t := tabwriter.NewWriter(w.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "KEY\tALGORITHM\tSTATE\tCREATED\tNEXT")
	for _, k := range list {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", k.ID, cmp.Or(k.Algorithm, "secret"), k.State, k.made(now), k.next(now))
	}
	return t.Flush()
}

// made says when a key was made, which is not known of an imported one.
func (k listedKey) made(now time.Time) string {
	if k.Created.IsZero() {
		return "-"
	}
	return inWords(k.Created, now)
}

// next says what will become of a key, or became of it.
func (k listedKey) next(now time.Time) string {
	if k.Use == useImported {
		return "checks tokens of another system, ends " + inWords(k.Retires, now)
	}
	protects, reads := "signs", "checks what it signed"
	if k.Use == useSecret {
		protects, reads = "seals", "opens what it sealed"
	}
	switch k.State {
	case keys.StatePending:
		return protects + " " + inWords(k.Activates, now)
	case keys.StateSigning:
		return protects + " until a newer one takes over"
	case keys.StatePassive:
		if k.Retires.IsZero() {
			return reads
		}
		return reads + ", retires " + inWords(k.Retires, now)
	case keys.StateRetired:
		return "retired " + inWords(k.Retires, now)
	case keys.StateRevoked:
		return "revoked " + inWords(k.Revoked, now)
	}
	return ""
}

type keysJWKS struct{ vaultFlags }

// Run prints the key set.
func (c keysJWKS) Run(ctx context.Context, w world) error {
	ring, done, err := c.ring(ctx, w)
	if err != nil {
		return err
	}
	defer done()
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
	Key string `arg:"" optional:"" help:"The key, master secret or imported key to end, as keys list names it."`
	All bool   `help:"End every key and master secret of the ring, and make new ones; imported keys end, too. Everybody signs in again."`
	vaultFlags
}

// Help is shown below the usage line.
func (keysRevoke) Help() string {
	return `For a key that may be known to somebody else. What it signed or sealed is refused: by new processes at once, by running programs within five minutes, by gateways when their copy of the JWKS expires. A key that is revoked already stays as it is. If it was the one that signs, another of the same algorithm takes its place in the same step.

If the whole vault may be known, with the key that seals it, use --all, and then give the vault another sealing key: docs/keys.md has the program. To replace a key in peace, use "postern keys rotate" instead.`
}

// Run revokes a key, or all.
func (c keysRevoke) Run(ctx context.Context, w world) error {
	if (c.Key == "") != c.All {
		return usagef("expected a key, as keys list names it, or --all")
	}
	ring, done, err := c.ring(ctx, w)
	if err != nil {
		return err
	}
	defer done()
	list, err := ringKeys(ctx, ring)
	if err != nil {
		return err
	}
	n := 0
	for _, k := range list {
		switch {
		case !c.All && k.ID != c.Key, c.All && (k.State == keys.StateRetired || k.State == keys.StateRevoked):
			continue
		case k.State == keys.StateRevoked:
			fmt.Fprintf(w.out, "%s was revoked before: %s (%s). Nothing has changed.\n", k.ID, inWords(k.Revoked, w.now()), stamp(k.Revoked))
			return nil
		}
		if err := ring.Revoke(ctx, k.ID); err != nil {
			return err
		}
		fmt.Fprintf(w.out, "Revoked:  %s\n", k.ID)
		n++
	}
	if n == 0 {
		return fmt.Errorf("the ring has no key %q; see: postern keys list, and the same flags", c.Key)
	}
	fmt.Fprintln(w.out, "New processes refuse what it protected at once, running programs within five minutes, gateways when their copy of the JWKS expires.")
	return nil
}
