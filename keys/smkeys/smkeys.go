// Package smkeys keeps a ring of package keys in AWS Secrets Manager.
//
//	loaded, err := config.LoadDefaultConfig(ctx) // of aws-sdk-go-v2
//	vault, err := smkeys.New(smkeys.Config{Client: secretsmanager.NewFromConfig(loaded), Name: "shop/prod/auth/keys"})
//	ring, err := keys.Open(ctx, keys.RingConfig{Vault: vault})
//
// The ring is the version with the staging label AWSCURRENT. A save makes a version with the label POSTERN_NEXT and
// then moves AWSCURRENT to it, from the version that was loaded. UpdateSecretVersionStage fails if that one does not
// have the label any more; so of many that save at once one succeeds, and the others get keys.ErrConflict. The version
// before has AWSPREVIOUS.
//
// A program that reads needs secretsmanager:GetSecretValue. One that makes, rotates or revokes keys needs
// secretsmanager:PutSecretValue and UpdateSecretVersionStage as well, and CreateSecret where the secret is not there
// yet. A rotation function of Secrets Manager must not be set for the secret: the ring rotates by itself.
package smkeys

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"github.com/posternauth/postern/internal/plainbody"
	"github.com/posternauth/postern/internal/ringpack"
	"github.com/posternauth/postern/keys"
)

// A Client is the part of *secretsmanager.Client that a Vault calls.
type Client interface {
	GetSecretValue(context.Context, *secretsmanager.GetSecretValueInput, ...func(*secretsmanager.Options)) (*secretsmanager.GetSecretValueOutput, error)
	CreateSecret(context.Context, *secretsmanager.CreateSecretInput, ...func(*secretsmanager.Options)) (*secretsmanager.CreateSecretOutput, error)
	PutSecretValue(context.Context, *secretsmanager.PutSecretValueInput, ...func(*secretsmanager.Options)) (*secretsmanager.PutSecretValueOutput, error)
	UpdateSecretVersionStage(context.Context, *secretsmanager.UpdateSecretVersionStageInput, ...func(*secretsmanager.Options)) (*secretsmanager.UpdateSecretVersionStageOutput, error)
}

// Config of a Vault. Client and Name are required.
type Config struct {
	// Client calls Secrets Manager, with a region and credentials. It decides how often a call is tried again.
	Client Client

	// Name of the secret, such as "shop/prod/auth/keys". Programs with the same Name, account and region share a ring.
	// The secret may be there without a value, made by the infrastructure.
	Name string

	// KeyID is the KMS key of a secret that is made: an id, an ARN or "alias/name".
	//
	// Defaults to the key aws/secretsmanager of the account.
	KeyID string

	// Sealer seals the ring before Secrets Manager gets it; see ssmkeys.Config.
	//
	// Defaults to nil: Secrets Manager alone encrypts.
	Sealer keys.Sealer
}

// A Vault is a keys.Vault in Secrets Manager. It keeps rings of about 64 KB, and is safe for concurrent use.
type Vault struct{ c Config }

var _ keys.Vault = (*Vault)(nil)

const (
	current  = "AWSCURRENT"
	next     = "POSTERN_NEXT"
	maxValue = 65536 // bytes of a secret
)

// New returns a Vault. It calls nothing.
func New(c Config) (*Vault, error) {
	bad := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("/_+=.@-", r)
	}
	switch {
	case c.Client == nil:
		return nil, errors.New("smkeys: Config.Client is missing")
	case c.Name == "" || len(c.Name) > 512 || strings.ContainsFunc(c.Name, bad):
		return nil, fmt.Errorf("smkeys: Config.Name %.80q: use letters, digits and /_+=.@-, 512 characters at most, such as \"shop/prod/auth/keys\"", c.Name)
	}
	return &Vault{c}, nil
}

// Format keeps what the configuration holds out of logs, whatever the verb.
func (v *Vault) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "smkeys.Vault(%q)", v.c.Name) }

// A frame begins the value of the secret, as one line of JSON. The document follows, compressed, and sealed if Sealed
// is set.
type frame struct {
	Format int    `json:"postern"` // 1
	For    string `json:"for"`     // the name, so that a copy of another secret does not open
	Sealed bool   `json:"sealed,omitempty"`
}

func (v *Vault) packer() ringpack.Packer {
	return ringpack.Packer{Sealer: v.c.Sealer, Place: "postern-ring-1 secrets-manager " + v.c.Name}
}

// Load returns the current version. If Secrets Manager does not answer, the error is keys.ErrUnavailable.
func (v *Vault) Load(ctx context.Context) (data []byte, version string, err error) {
	out, err := v.get(ctx)
	if err != nil || out == nil {
		return nil, "", err
	}
	if data, err = v.decode(ctx, out.SecretBinary); err != nil {
		return nil, "", err
	}
	return data, aws.ToString(out.VersionId), nil
}

// get returns the current version; nil if there is none.
func (v *Vault) get(ctx context.Context) (*secretsmanager.GetSecretValueOutput, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	out, err := v.c.Client.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &v.c.Name, VersionStage: aws.String(current)}, early)
	var absent *types.ResourceNotFoundException // of the secret, or of a version with the label
	if errors.As(err, &absent) {
		return nil, nil
	}
	if err != nil {
		return nil, v.failed("reading", err)
	}
	if aws.ToString(out.VersionId) == "" || aws.ToString(out.Name) != v.c.Name {
		return nil, fmt.Errorf("smkeys: Secrets Manager answered with %q, and %q was asked for", aws.ToString(out.Name), v.c.Name)
	}
	return out, nil
}

// Save makes a version, and moves AWSCURRENT to it if version has that.
func (v *Vault) Save(ctx context.Context, data []byte, version string) (newVersion string, err error) {
	value, err := v.encode(ctx, data)
	if err != nil {
		return "", err
	}
	before, err := v.get(ctx)
	if err != nil {
		return "", err
	}
	if (before == nil) != (version == "") || before != nil && aws.ToString(before.VersionId) != version {
		return "", keys.ErrConflict
	}
	id, err := newID()
	if err != nil {
		return "", err
	}
	if before == nil {
		if done, err := v.create(ctx, id, value); done || err != nil {
			return v.settle(ctx, id, version, err)
		}
	}
	out, err := v.c.Client.PutSecretValue(ctx, &secretsmanager.PutSecretValueInput{
		SecretId: &v.c.Name, ClientRequestToken: &id, SecretBinary: value, VersionStages: []string{next},
	}, early)
	if err != nil {
		return v.settle(ctx, id, version, v.failed("saving", err))
	}
	for _, stage := range out.VersionStages {
		if stage == current { // the first version of a secret without one
			return id, nil
		}
	}
	move := &secretsmanager.UpdateSecretVersionStageInput{SecretId: &v.c.Name, VersionStage: aws.String(current), MoveToVersionId: &id}
	if version != "" {
		move.RemoveFromVersionId = &version
	}
	if _, err := v.c.Client.UpdateSecretVersionStage(ctx, move, early); err != nil {
		return v.settle(ctx, id, version, v.failed("saving", err))
	}
	return id, nil
}

// create makes the secret with its first version. done is false if the secret is there already.
func (v *Vault) create(ctx context.Context, id string, value []byte) (done bool, err error) {
	in := &secretsmanager.CreateSecretInput{Name: &v.c.Name, ClientRequestToken: &id, SecretBinary: value, Description: aws.String("Keys of an issuer, kept by Postern")}
	if v.c.KeyID != "" {
		in.KmsKeyId = &v.c.KeyID
	}
	_, err = v.c.Client.CreateSecret(ctx, in, early)
	var exists *types.ResourceExistsException
	if errors.As(err, &exists) {
		return false, nil
	}
	if err != nil {
		return false, v.failed("making", err)
	}
	return true, nil
}

// settle finds out what came of a save whose call returned an error: the answer may have been lost, and the Client may
// have asked twice.
func (v *Vault) settle(ctx context.Context, id, version string, failed error) (string, error) {
	if failed == nil {
		return id, nil
	}
	now, err := v.get(ctx)
	switch {
	case err != nil:
		return "", failed
	case now != nil && aws.ToString(now.VersionId) == id:
		return id, nil
	case now != nil && aws.ToString(now.VersionId) != version:
		return "", keys.ErrConflict
	}
	return "", failed
}

func newID() (string, error) {
	var id [16]byte
	if _, err := rand.Read(id[:]); err != nil {
		return "", err
	}
	return hex.EncodeToString(id[:]), nil // 32 characters, as a ClientRequestToken has at least
}

func (v *Vault) encode(ctx context.Context, data []byte) ([]byte, error) {
	raw, err := v.packer().Pack(ctx, data, 0)
	if err != nil {
		return nil, fmt.Errorf("smkeys: %s: %w", v.c.Name, err)
	}
	value, err := json.Marshal(frame{1, v.c.Name, v.c.Sealer != nil})
	if err != nil {
		return nil, fmt.Errorf("smkeys: %w", err)
	}
	value = append(append(value, '\n'), raw...)
	if len(value) > maxValue {
		return nil, fmt.Errorf("smkeys: the ring of %s is too large: %d bytes when packed, and a secret has at most %d; rotate less often, since keys leave the ring when they retire, or keep it in a keys.StoreVault",
			v.c.Name, len(value), maxValue)
	}
	return value, nil
}

func (v *Vault) decode(ctx context.Context, value []byte) ([]byte, error) {
	failed := func(err error) error { return fmt.Errorf("smkeys: the secret %s: %w", v.c.Name, err) }
	line, raw, ok := bytes.Cut(value, []byte("\n"))
	var f frame
	if !ok || json.Unmarshal(line, &f) != nil || f.Format != 1 {
		return nil, failed(errors.New("it is not a ring, or has a newer format: name another secret, or restore it"))
	}
	if f.For != v.c.Name {
		return nil, failed(fmt.Errorf("it has the ring of %q and was copied there", f.For))
	}
	data, _, err := v.packer().Open(ctx, raw, f.Sealed, 0)
	if err != nil {
		return nil, failed(err)
	}
	return data, nil
}

func (v *Vault) failed(what string, err error) error {
	return fmt.Errorf("%w: smkeys: %s the secret %s: %w", keys.ErrUnavailable, what, v.c.Name, err)
}

// early is an option of each call: an answer that comes early is not lost.
func early(o *secretsmanager.Options) { o.APIOptions = append(o.APIOptions, plainbody.Add) }
