// Package smsecrets keeps the values of package secrets in AWS Secrets Manager.
//
//	loaded, err := config.LoadDefaultConfig(ctx) // of aws-sdk-go-v2
//	source, err := smsecrets.New(smsecrets.Config{Client: secretsmanager.NewFromConfig(loaded)})
//
// A value lies in the secret /{prefix}/{app}/{stage}/Secret/{name}/value, and that of the fallback stage in
// /{prefix}/{app}/.fallback/Secret/{name}/value.
//
// A program that reads needs secretsmanager:GetSecretValue for these secrets, and kms:Decrypt if there is a KeyID. An
// editor needs secretsmanager:CreateSecret, PutSecretValue, DeleteSecret and ListSecrets as well.
package smsecrets

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"github.com/posternauth/postern/internal/plainbody"
	"github.com/posternauth/postern/internal/secretpath"
	"github.com/posternauth/postern/secrets"
)

// A Client is the part of *secretsmanager.Client that a Source calls. A reader calls GetSecretValue alone.
type Client interface {
	GetSecretValue(context.Context, *secretsmanager.GetSecretValueInput, ...func(*secretsmanager.Options)) (*secretsmanager.GetSecretValueOutput, error)
	CreateSecret(context.Context, *secretsmanager.CreateSecretInput, ...func(*secretsmanager.Options)) (*secretsmanager.CreateSecretOutput, error)
	PutSecretValue(context.Context, *secretsmanager.PutSecretValueInput, ...func(*secretsmanager.Options)) (*secretsmanager.PutSecretValueOutput, error)
	DeleteSecret(context.Context, *secretsmanager.DeleteSecretInput, ...func(*secretsmanager.Options)) (*secretsmanager.DeleteSecretOutput, error)
	ListSecrets(context.Context, *secretsmanager.ListSecretsInput, ...func(*secretsmanager.Options)) (*secretsmanager.ListSecretsOutput, error)
}

// Config of a Source. Client is required.
type Config struct {
	// Client calls Secrets Manager, with a region and credentials. It decides how often a call is tried again.
	Client Client

	// Prefix of the names: "/" and one or more parts.
	//
	// Defaults to "/sst".
	Prefix string

	// KeyID is the KMS key that encrypts the secrets which are made: an id, an ARN or "alias/name".
	//
	// Defaults to the key aws/secretsmanager of the account.
	KeyID string

	// Plain accepts values that Postern did not write, such as those that CloudFormation generated. They are not bound
	// to their stage and name: a copy of them works elsewhere.
	//
	// Defaults to false: such a value is an error.
	Plain bool
}

// A Source reads and sets values. It is a secrets.Editor, and safe for concurrent use.
type Source struct {
	client        Client
	prefix, keyID string
	plain         bool
}

var _ secrets.Editor = (*Source)(nil)

// New returns a Source. It calls nothing.
func New(c Config) (*Source, error) {
	prefix, err := secretpath.Open("smsecrets", c.Client, c.Prefix)
	if err != nil {
		return nil, err
	}
	return &Source{c.Client, prefix, c.KeyID, c.Plain}, nil
}

// SetFlags returns the flags with which postern secrets set writes here.
func (s *Source) SetFlags() string { return "--in secretsmanager:" + s.prefix }

// Lookup returns the values that Secrets Manager has. It makes one call for each key.
func (s *Source) Lookup(ctx context.Context, keys []secrets.Key) (map[secrets.Key]string, error) {
	found := map[secrets.Key]string{}
	for _, key := range keys {
		if err := key.Check(); err != nil {
			return nil, err
		}
		name := key.Path(s.prefix)
		out, err := s.client.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &name}, early)
		var absent *types.ResourceNotFoundException
		if errors.As(err, &absent) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("smsecrets: %s: %w", key, err)
		}
		if aws.ToString(out.Name) != name {
			return nil, fmt.Errorf("smsecrets: Secrets Manager answered with %q, and %q was asked for", aws.ToString(out.Name), name)
		}
		if out.SecretString == nil {
			return nil, fmt.Errorf("smsecrets: the value of %s is binary: set a text", key)
		}
		if found[key], err = secrets.Unbind(key, *out.SecretString, s.plain); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// Set sets the value of a key. A secret that somebody has marked for deletion must be restored first: Secrets Manager
// refuses to set it.
func (s *Source) Set(ctx context.Context, key secrets.Key, value string) error {
	text, err := secrets.Bind(key, value)
	if err != nil {
		return err
	}
	name := key.Path(s.prefix)
	create := &secretsmanager.CreateSecretInput{Name: &name, SecretString: &text}
	if s.keyID != "" {
		create.KmsKeyId = &s.keyID
	}
	_, err = s.client.CreateSecret(ctx, create, early)
	var there *types.ResourceExistsException
	if errors.As(err, &there) {
		_, err = s.client.PutSecretValue(ctx, &secretsmanager.PutSecretValueInput{SecretId: &name, SecretString: &text}, early)
	}
	if err != nil {
		return fmt.Errorf("smsecrets: setting %s: %w", key, err)
	}
	return nil
}

// Remove removes the value of a key at once, without a time to restore it in.
func (s *Source) Remove(ctx context.Context, key secrets.Key) error {
	if err := key.Check(); err != nil {
		return err
	}
	name := key.Path(s.prefix)
	// A deletion by force succeeds also for a secret that does not exist.
	if _, err := s.client.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &name}, early); err != nil {
		var absent *types.ResourceNotFoundException
		if errors.As(err, &absent) {
			return fmt.Errorf("%w for %s", secrets.ErrMissing, key)
		}
		return fmt.Errorf("smsecrets: removing %s: %w", key, err)
	}
	if _, err := s.client.DeleteSecret(ctx, &secretsmanager.DeleteSecretInput{SecretId: &name, ForceDeleteWithoutRecovery: aws.Bool(true)}, early); err != nil {
		return fmt.Errorf("smsecrets: removing %s: %w", key, err)
	}
	return nil
}

// List returns the keys of an application and a stage that have a value.
func (s *Source) List(ctx context.Context, app, stage string) ([]secrets.Entry, error) {
	below, err := secretpath.Below(s.prefix, app, stage)
	if err != nil {
		return nil, err
	}
	in := &secretsmanager.ListSecretsInput{Filters: []types.Filter{{Key: types.FilterNameStringTypeName, Values: []string{below}}}}
	var list []secrets.Entry
	for {
		out, err := s.client.ListSecrets(ctx, in, early)
		if err != nil {
			return nil, fmt.Errorf("smsecrets: %w", err)
		}
		for _, e := range out.SecretList {
			if key, ok := secrets.KeyAt(s.prefix, app, stage, aws.ToString(e.Name)); ok && e.DeletedDate == nil {
				list = append(list, secrets.Entry{Key: key, Changed: aws.ToTime(e.LastChangedDate)})
			}
		}
		if in.NextToken = out.NextToken; in.NextToken == nil {
			break
		}
	}
	secrets.Sort(list)
	return list, nil
}

// early is an option of each call: an answer that comes early is not lost.
func early(o *secretsmanager.Options) { o.APIOptions = append(o.APIOptions, plainbody.Add) }
