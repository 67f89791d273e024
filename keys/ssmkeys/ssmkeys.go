// Package ssmkeys keeps a ring of package keys in the SSM Parameter Store of AWS.
//
//	loaded, err := config.LoadDefaultConfig(ctx) // of aws-sdk-go-v2
//	vault, err := ssmkeys.New(ssmkeys.Config{Client: ssm.NewFromConfig(loaded), Path: "/shop/prod/auth/keys"})
//	ring, err := keys.Open(ctx, keys.RingConfig{Vault: vault})
//
// # Where it lies
//
// PutParameter has one condition: with Overwrite false it fails where the name exists. So each version of the
// ring is a parameter with a number, {Path}/0000000001 and so on, and a save makes the next number: of many that save
// at once one succeeds, and the others get keys.ErrConflict. A ring that is longer than one parameter of the standard
// tier (4 KiB) has further ones below its number, which are written first. The newest version is the ring. An older one
// is removed by a later save, or by [Vault.Sweep], when it has been out of use for an hour. A version carries its
// number, below the seal: a copy of an older one under another number does not open. Those that were saved before there
// was a number open where they have the keys and revocations of the versions below them, so older programs go on
// saving. Without a Sealer nothing protects the number.
//
// All parameters are encrypted. With Config.Sealer the ring is sealed as well, before SSM gets it.
//
// # Permissions
//
// A program that reads needs ssm:GetParametersByPath for {Path} and ssm:GetParameters for {Path}/*. One that makes,
// rotates or revokes keys needs ssm:PutParameter for {Path}/* as well. One of the programs, best the rotator, removes
// old versions: it lists their parts, and needs ssm:DeleteParameters and ssm:GetParametersByPath for {Path}/* besides.
// In the others a save succeeds without. With a KeyID all need kms:Decrypt for that key, and those that save
// kms:Encrypt.
//
// AWS does not promise that a new parameter is listed at once. A save rests on no list: one that was made for an older
// version is refused all the same. A process that opens the ring in the same moment may see the version before.
package ssmkeys

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/secrets"
)

// A Client is the part of *ssm.Client that a Vault calls.
type Client interface {
	GetParametersByPath(context.Context, *ssm.GetParametersByPathInput, ...func(*ssm.Options)) (*ssm.GetParametersByPathOutput, error)
	GetParameters(context.Context, *ssm.GetParametersInput, ...func(*ssm.Options)) (*ssm.GetParametersOutput, error)
	PutParameter(context.Context, *ssm.PutParameterInput, ...func(*ssm.Options)) (*ssm.PutParameterOutput, error)
	DeleteParameters(context.Context, *ssm.DeleteParametersInput, ...func(*ssm.Options)) (*ssm.DeleteParametersOutput, error)
}

// Config of a Vault. Client and Path are required.
type Config struct {
	// Client calls SSM, with a region and credentials. A call that SSM throttles is tried again with growing pauses
	// until its context ends, ten times at most, whatever the Client does itself.
	Client Client

	// Path below which the ring lies, such as "/shop/prod/auth/keys". Nothing else lies directly below it. Programs
	// with the same Path, account and region share a ring.
	Path string

	// KeyID is the KMS key that encrypts the parameters: an id, an ARN or "alias/name".
	//
	// Defaults to the key aws/ssm of the account.
	KeyID string

	// Sealer seals the ring before SSM gets it: keys.MasterKey or a kmskeys.Sealer. Then somebody who may read the
	// parameters still needs its key. A ring that is not sealed is refused, and with a nil Sealer one that is.
	//
	// Defaults to nil: SSM alone encrypts.
	Sealer keys.Sealer

	// Now is the clock.
	//
	// Defaults to time.Now.
	Now func() time.Time

	// Logger gets a warning where old versions cannot be removed, and a note where this program may not.
	//
	// Defaults to slog.Default().
	Logger *slog.Logger
}

// A Vault is a keys.Vault in the Parameter Store. It keeps rings of about 190 KB, and is safe for concurrent use.
type Vault struct {
	c      Config
	denied atomic.Bool // the log has that this program may not remove old versions
	piles  atomic.Bool // the log has that nobody removes them

	followed atomic.Pointer[string] // the newest version without a bound number that was checked
}

var _ keys.Vault = (*Vault)(nil)

// keep is how long a version stays after a newer one took its place.
const keep = time.Hour

// New returns a Vault. It calls nothing.
func New(c Config) (*Vault, error) {
	if c.Client == nil {
		return nil, errors.New("ssmkeys: Config.Client is missing")
	}
	if err := secrets.CheckPrefix(c.Path); err != nil || len(c.Path) > 200 {
		return nil, fmt.Errorf("ssmkeys: Config.Path %.80q: use \"/\" and letters, digits, \"-\", \"_\" and \".\", at most 200 characters, such as \"/shop/prod/auth/keys\"", c.Path)
	}
	if first := strings.ToLower(c.Path[1:]); strings.HasPrefix(first, "aws") || strings.HasPrefix(first, "ssm") {
		return nil, fmt.Errorf(`ssmkeys: Config.Path %q: SSM keeps what begins with "aws" or "ssm" for itself`, c.Path)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return &Vault{c: c}, nil
}

// Format keeps what the configuration holds out of logs, whatever the verb.
func (v *Vault) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "ssmkeys.Vault(%q)", v.c.Path) }

// Load returns the newest version. If SSM does not answer, the error is keys.ErrUnavailable.
func (v *Vault) Load(ctx context.Context) (data []byte, version string, err error) {
	for attempt := 0; ; attempt++ {
		heads, err := v.heads(ctx)
		if err != nil || len(heads) == 0 {
			return nil, "", err
		}
		newest := heads[len(heads)-1]
		data, bound, err := v.open(ctx, newest)
		if err == nil && !bound {
			err = v.checkOpen(ctx, heads, data)
		}
		// Parts are missing if this process stood still for an hour after it saw their head.
		if (errors.Is(err, errParts) || errors.Is(err, errGap)) && attempt == 0 {
			continue
		}
		if err != nil {
			return nil, "", err
		}
		return data, newest.version(), nil
	}
}

// slow is how long a save may take without a second look: far less than an old version is kept.
const slow = 10 * time.Minute

// Save makes the next version if version is the newest.
func (v *Vault) Save(ctx context.Context, data []byte, version string) (newVersion string, err error) {
	began := v.c.Now().Round(0)
	heads, err := v.heads(ctx)
	if err != nil {
		return "", err
	}
	next, current := 1, ""
	if len(heads) > 0 {
		newest := heads[len(heads)-1]
		next, current = newest.number+1, newest.version()
	}
	if current != version {
		return "", keys.ErrConflict
	}
	if err := v.checkRoom(next); err != nil {
		return "", err
	}
	made, parts, err := v.encode(ctx, next, data)
	if err != nil {
		return "", err
	}
	if err := v.write(ctx, made, parts); err != nil {
		return "", err
	}
	// A number is used again only if its version was removed. That takes an hour, so only a process that stood still
	// between its look and its write can meet it.
	if took := v.c.Now().Round(0).Sub(began); took < 0 || took > slow {
		heads, err := v.heads(ctx)
		if err != nil {
			return "", err
		}
		if n := len(heads); n > 0 && heads[n-1].number > next {
			return "", fmt.Errorf("%w: ssmkeys: saving %s took %v, and others saved meanwhile: load it and try again", keys.ErrUnavailable, v.c.Path, took)
		}
	}
	v.stay(ctx, v.sweep(ctx, heads)) // those from before the save, so the version before stays
	return made.version(), nil
}

// Sweep removes versions that have been out of use for an hour. Ring.RotateOlder calls it, so that a rotator removes
// what others leave behind that may not. Without the right to remove them it returns nil, and the log has that once; a
// warning if a version is there that has been out of use for two days, as no rotator removes them either.
func (v *Vault) Sweep(ctx context.Context) error {
	heads, err := v.heads(ctx)
	if err != nil {
		return err
	}
	err = v.sweep(ctx, heads)
	if err == nil || !v.lacks(ctx, err) {
		return err
	}
	// The first version is out of use since the second is there.
	if v.c.Now().Sub(heads[1].modified) > unswept && !v.piles.Swap(true) {
		v.c.Logger.WarnContext(ctx, "ssmkeys: nobody removes old versions of the ring: give the rotator ssm:DeleteParameters and ssm:GetParametersByPath", "path", v.c.Path, "error", err)
	}
	return nil
}
