package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/keys/rotator"
)

// gatewayCache is for how long API Gateway uses its copy of a key set: the longest cache that the ring waits for.
const gatewayCache = 2 * time.Hour

type keysStatus struct {
	vaultFlags
	MaxAge span `name:"max-age" placeholder:"AGE" help:"Exit with status 1 if the newest key is older, such as 45d. Default: any age is right."`
	JSON   bool `name:"json" help:"Print JSON."`
}

// A keyStatus is what keys status prints.
type keyStatus struct {
	rotator.Report
	Changes  []keyChange `json:"changes,omitempty"`  // what comes by time alone, the next first
	Accepted []lateKey   `json:"accepted,omitempty"` // keys that ended, and that a gateway may still accept
	Signers  []kmsStatus `json:"signers,omitempty"`  // keys of KMS, the one that signs first first
	TooOld   bool        `json:"too_old"`
}

type keyChange struct {
	Key  string    `json:"key"`
	What string    `json:"what"` // "signs", "retires", or "ends" of an imported key
	At   time.Time `json:"at"`
}

type lateKey struct {
	Key   string     `json:"key"`
	State keys.State `json:"state"`
	Until time.Time  `json:"until"`
}

// Run prints the status.
func (c keysStatus) Run(ctx context.Context, w world) error {
	ring, kms, done, err := c.rings(ctx, w)
	if err != nil {
		return err
	}
	defer done()
	report, err := rotator.Look(ctx, rotator.Config{Ring: ring, Now: w.now})
	if err != nil {
		return err
	}
	list, err := ring.Keys(ctx)
	if err != nil {
		return err
	}
	now := w.now()
	s := keyStatus{Report: report, TooOld: c.MaxAge > 0 && time.Duration(report.Age) > time.Duration(c.MaxAge)}
	s.Signers = kms.status(now)
	for _, k := range list {
		switch ended := k.Retires; k.State {
		case keys.StatePending:
			if kms.sign(k.Activates) {
				continue
			}
			s.Changes = append(s.Changes, keyChange{k.ID, "signs", k.Activates.UTC()})
		case keys.StatePassive:
			s.Changes = append(s.Changes, keyChange{k.ID, "retires", k.Retires.UTC()})
		case keys.StateRevoked, keys.StateRetired:
			if k.State == keys.StateRevoked {
				ended = k.Revoked
			}
			if until := ended.Add(gatewayCache); until.After(now) {
				s.Accepted = append(s.Accepted, lateKey{k.ID, k.State, until.UTC()})
			}
		}
	}
	imported, err := ring.ImportedKeys(ctx)
	if err != nil {
		return err
	}
	for _, k := range imported {
		s.Changes = append(s.Changes, keyChange{k.ID, "ends", k.Retires.UTC()})
	}
	slices.SortStableFunc(s.Changes, func(a, b keyChange) int { return a.At.Compare(b.At) })
	if c.JSON {
		err = json.NewEncoder(w.out).Encode(s)
	} else {
		err = s.print(w.out, now)
	}
	if err == nil {
		err = kms.check(ctx, now)
	}
	if err == nil && s.TooOld {
		err = fmt.Errorf("the newest key is %s old, and at most %s is allowed: run postern keys rotate, and look why the rotator does not", days(time.Duration(report.Age)), days(time.Duration(c.MaxAge)))
	}
	return err
}

func (s keyStatus) print(out io.Writer, now time.Time) error {
	fmt.Fprintf(out, "Newest key:   %s, %s old\n", s.Newest, days(time.Duration(s.Age)))
	if len(s.Signers) == 0 || s.Signers[0].State == keys.StatePending {
		fmt.Fprintf(out, "Signing key:  %s, %s old\n", s.Signing, days(time.Duration(s.SigningAge)))
	}
	for _, k := range s.Signers {
		switch k.State {
		case keys.StateSigning:
			fmt.Fprintf(out, "Signing key:  %s, %s in KMS: %s\n", k.Key, k.Algorithm, k.ARN)
		case keys.StatePassive:
			fmt.Fprintf(out, "Before:       %s, %s in KMS: %s\n", k.Key, k.Algorithm, k.ARN)
		case keys.StatePending:
			fmt.Fprintf(out, "Next:         %s, %s in KMS, signs %s (%s): %s\n", k.Key, k.Algorithm, inWords(k.From, now), stamp(k.From), k.ARN)
		}
	}
	for _, c := range s.Changes {
		what := c.What
		if what == "ends" {
			what = "was imported, checks tokens of another system, and ends"
		}
		fmt.Fprintf(out, "Next:         %s %s %s (%s)\n", c.Key, what, inWords(c.At, now), stamp(c.At))
	}
	for _, k := range s.Accepted {
		fmt.Fprintf(out, "Gateways:     %s is %s; a gateway with an older copy of the JWKS may accept it until %s\n", k.Key, k.State, stamp(k.Until))
	}
	if len(s.Accepted) == 0 {
		fmt.Fprintln(out, "Gateways:     accept no key that has ended")
	}
	return nil
}

// days writes a length of time in days where it has some.
func days(d time.Duration) string {
	if d >= 48*time.Hour {
		return fmt.Sprintf("%d days", int(d/(24*time.Hour)))
	}
	return d.Round(time.Minute).String()
}

type keysImport struct {
	File string `arg:"" help:"The public key or private key in PEM. Of a private key only the public half is kept. - is standard input."`
	vaultFlags
	Alg   string    `default:"RS512" enum:"RS256,RS384,RS512,PS256,PS384,PS512,ES256,ES384,ES512,EdDSA" placeholder:"ALG" help:"Algorithm of the tokens. Default: RS512, which SST Auth uses."`
	Until time.Time `required:"" format:"2006-01-02" placeholder:"YYYY-MM-DD" help:"The day on which the key ends, in UTC."`
}

// Help is shown below the usage line.
func (keysImport) Help() string {
	return `For a migration: tokens that the other system has signed can be checked until the day that --until names. The key never signs, is not published, and does not check tokens of this issuer. postern keys revoke ends it early.

An import alone lets nobody in. postern serve and cmd/postern-lambda accept session tokens of SST Auth where [forward_auth.sst] of their configuration says so, and a program in Go by Kind.Imported. See docs/from-sst.md.

SST v2 keeps its keys in SSM, below /sst/APP/STAGE/Auth/NAME.`
}

// Run imports the key.
func (c keysImport) Run(ctx context.Context, w world) error {
	in := w.in
	if c.File != "-" {
		file, err := os.Open(c.File)
		if err != nil {
			return err
		}
		defer file.Close()
		in = file
	}
	data, err := io.ReadAll(io.LimitReader(in, 64<<10))
	if err != nil {
		return fmt.Errorf("reading the key: %w", err)
	}
	public, err := keys.ParsePublicPEM(data, keys.Algorithm(c.Alg), "")
	if err != nil {
		private, failed := keys.ParsePrivatePEM(data, keys.Algorithm(c.Alg), "")
		if failed != nil {
			return fmt.Errorf("the file has no key for %s: %w", c.Alg, failed)
		}
		public = private.Public()
	}
	ring, done, err := c.ring(ctx, w)
	if err != nil {
		return err
	}
	defer done()
	if err := ring.Import(ctx, public, c.Until); err != nil {
		return err
	}
	kid, err := keys.Thumbprint(public.Public())
	if err != nil {
		return err
	}
	fmt.Fprintf(w.out, "Imported:  %s  (%s, until %s)\nIt checks tokens of the other system alone, and never signs. They are accepted where [forward_auth.sst] of the configuration or a program in Go says so.\n", kid, c.Alg, stamp(c.Until))
	return nil
}
