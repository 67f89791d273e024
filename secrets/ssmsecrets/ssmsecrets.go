// Package ssmsecrets keeps the values of package secrets in the SSM Parameter Store of AWS.
//
//	loaded, err := config.LoadDefaultConfig(ctx) // of aws-sdk-go-v2
//	source, err := ssmsecrets.New(ssmsecrets.Config{Client: ssm.NewFromConfig(loaded)})
//
// A value lies at /{prefix}/{app}/{stage}/Secret/{name}/value, as with SST, and that of the fallback stage at
// /{prefix}/{app}/.fallback/Secret/{name}/value. Secrets are encrypted parameters.
//
// A program that reads needs ssm:GetParameters for these paths, and kms:Decrypt if there is a KeyID. An editor needs
// ssm:PutParameter, ssm:DeleteParameter and ssm:GetParametersByPath as well.
package ssmsecrets

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/posternauth/postern/internal/plainbody"
	"github.com/posternauth/postern/internal/secretpath"
	"github.com/posternauth/postern/secrets"
)

// A Client is the part of *ssm.Client that a Source calls. A reader calls GetParameters alone.
type Client interface {
	GetParameters(context.Context, *ssm.GetParametersInput, ...func(*ssm.Options)) (*ssm.GetParametersOutput, error)
	GetParametersByPath(context.Context, *ssm.GetParametersByPathInput, ...func(*ssm.Options)) (*ssm.GetParametersByPathOutput, error)
	PutParameter(context.Context, *ssm.PutParameterInput, ...func(*ssm.Options)) (*ssm.PutParameterOutput, error)
	DeleteParameter(context.Context, *ssm.DeleteParameterInput, ...func(*ssm.Options)) (*ssm.DeleteParameterOutput, error)
}

// Config of a Source. Client is required.
type Config struct {
	// Client calls SSM, with a region and credentials. It decides how often a call is tried again.
	Client Client

	// Prefix of the paths: "/" and one or more parts.
	//
	// Defaults to "/sst".
	Prefix string

	// KeyID is the KMS key that encrypts the secrets which are set: an id, an ARN or "alias/name".
	//
	// Defaults to the key aws/ssm of the account.
	KeyID string

	// Plain accepts values that Postern did not write, such as those of SST or of the console. They are not bound to
	// their stage and name: a copy of them works elsewhere.
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

const (
	batch    = 10      // names that GetParameters takes
	standard = 4 << 10 // bytes that a standard parameter has; an advanced one costs
	advanced = 8 << 10
)

// New returns a Source. It calls nothing.
func New(c Config) (*Source, error) {
	prefix, err := secretpath.Open("ssmsecrets", c.Client, c.Prefix)
	if err != nil {
		return nil, err
	}
	if first := strings.ToLower(prefix[1:]); strings.HasPrefix(first, "aws") || strings.HasPrefix(first, "ssm") {
		return nil, fmt.Errorf(`ssmsecrets: Config.Prefix %q: SSM keeps what begins with "aws" or "ssm" for itself`, prefix)
	}
	return &Source{c.Client, prefix, c.KeyID, c.Plain}, nil
}

// SetFlags returns the flags with which postern secrets set writes here.
func (s *Source) SetFlags() string { return "--in ssm:" + s.prefix }

// Lookup returns the values that the store has. It makes one call for ten keys.
func (s *Source) Lookup(ctx context.Context, keys []secrets.Key) (map[secrets.Key]string, error) {
	found := map[secrets.Key]string{}
	for len(keys) > 0 {
		n := min(len(keys), batch)
		if err := s.lookup(ctx, keys[:n], found); err != nil {
			return nil, err
		}
		keys = keys[n:]
	}
	return found, nil
}

func (s *Source) lookup(ctx context.Context, keys []secrets.Key, found map[secrets.Key]string) error {
	byPath := map[string]secrets.Key{}
	in := &ssm.GetParametersInput{WithDecryption: aws.Bool(true)}
	for _, key := range keys {
		if err := key.Check(); err != nil {
			return err
		}
		path := key.Path(s.prefix)
		if _, twice := byPath[path]; !twice { // SSM refuses a name that is there twice
			in.Names = append(in.Names, path)
		}
		byPath[path] = key
	}
	out, err := s.client.GetParameters(ctx, in, early)
	if err != nil {
		return fmt.Errorf("ssmsecrets: %w", err)
	}
	answered := map[string]bool{}
	for _, name := range out.InvalidParameters { // those that are not there
		answered[name] = true
	}
	for _, p := range out.Parameters {
		path := aws.ToString(p.Name)
		key, ok := byPath[path]
		if !ok {
			return fmt.Errorf("ssmsecrets: SSM answered with %q, which was not asked for", path)
		}
		answered[path] = true
		if key.Kind == secrets.Secret && p.Type != types.ParameterTypeSecureString {
			return fmt.Errorf("ssmsecrets: %s is a %s and not encrypted: treat the value as known, and set another", path, p.Type)
		}
		value, err := secrets.Unbind(key, aws.ToString(p.Value), s.plain)
		if err != nil {
			return err
		}
		found[key] = value
	}
	for path := range byPath {
		if !answered[path] {
			return fmt.Errorf("ssmsecrets: SSM did not answer about %s", path)
		}
	}
	return nil
}

// Set sets the value of a key.
func (s *Source) Set(ctx context.Context, key secrets.Key, value string) error {
	text, err := secrets.Bind(key, value)
	if err != nil {
		return err
	}
	in := &ssm.PutParameterInput{Name: aws.String(key.Path(s.prefix)), Value: &text, Overwrite: aws.Bool(true), Type: types.ParameterTypeString}
	if key.Kind == secrets.Secret {
		in.Type = types.ParameterTypeSecureString
		if s.keyID != "" {
			in.KeyId = &s.keyID
		}
	}
	switch {
	case len(text) > advanced:
		return fmt.Errorf("ssmsecrets: the value of %s is too long for SSM, which takes 8 KiB: use package smsecrets", key)
	case len(text) > standard:
		in.Tier = types.ParameterTierAdvanced
	}
	if _, err := s.client.PutParameter(ctx, in, early); err != nil {
		return fmt.Errorf("ssmsecrets: setting %s: %w", key, err)
	}
	return nil
}

// Remove removes the value of a key.
func (s *Source) Remove(ctx context.Context, key secrets.Key) error {
	if err := key.Check(); err != nil {
		return err
	}
	_, err := s.client.DeleteParameter(ctx, &ssm.DeleteParameterInput{Name: aws.String(key.Path(s.prefix))}, early)
	var gone *types.ParameterNotFound
	switch {
	case errors.As(err, &gone):
		return fmt.Errorf("%w for %s", secrets.ErrMissing, key)
	case err != nil:
		return fmt.Errorf("ssmsecrets: removing %s: %w", key, err)
	}
	return nil
}

// List returns the keys of an application and a stage that have a value. Nothing is decrypted.
func (s *Source) List(ctx context.Context, app, stage string) ([]secrets.Entry, error) {
	below, err := secretpath.Below(s.prefix, app, stage)
	if err != nil {
		return nil, err
	}
	in := &ssm.GetParametersByPathInput{Path: &below, Recursive: aws.Bool(true), WithDecryption: aws.Bool(false)}
	var list []secrets.Entry
	for {
		out, err := s.client.GetParametersByPath(ctx, in, early)
		if err != nil {
			return nil, fmt.Errorf("ssmsecrets: %w", err)
		}
		for _, p := range out.Parameters {
			if key, ok := secrets.KeyAt(s.prefix, app, stage, aws.ToString(p.Name)); ok {
				list = append(list, secrets.Entry{Key: key, Changed: aws.ToTime(p.LastModifiedDate)})
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
func early(o *ssm.Options) { o.APIOptions = append(o.APIOptions, plainbody.Add) }
