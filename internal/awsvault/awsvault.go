// Package awsvault opens the vaults that a URL names, for programs that run on AWS. It links no engine of SQL or Redis:
// a store is handed in open.
package awsvault

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/keys/kmskeys"
	"github.com/posternauth/postern/keys/smkeys"
	"github.com/posternauth/postern/keys/ssmkeys"
	"github.com/posternauth/postern/store"
)

// A Request is a vault to open.
type Request struct {
	URL   string      // store, file:PATH, ssm:PATH or secrets-manager:NAME
	Ring  string      // name of the ring, for store; empty: main
	Store store.Store // the open store, for store
	Key   []byte      // 32 bytes that seal the ring; nil: no seal, or KMS
	KMS   string      // ARN of the KMS key that seals the ring; empty: none

	// AWS returns the configuration of AWS, with a region and credentials. It is called only where one is needed.
	AWS func(context.Context) (aws.Config, error)
}

// Named reports whether Open opens such a URL. Others name a store.
func Named(url string) bool {
	scheme, _, ok := strings.Cut(url, ":")
	return url == "store" || ok && (scheme == "file" || scheme == "ssm" || scheme == "secrets-manager")
}

// OpenSigner opens keys of KMS that sign. load returns the configuration of AWS, as Request.AWS. The error is
// keys.ErrUnavailable if KMS does not answer.
func OpenSigner(ctx context.Context, c kmskeys.SignerConfig, load func(context.Context) (aws.Config, error)) (keys.Signer, error) {
	loaded, err := load(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w: finding AWS credentials: %w", keys.ErrUnavailable, err)
	}
	c.Client = kms.NewFromConfig(loaded)
	signer, err := kmskeys.NewSigner(ctx, c)
	if err != nil {
		return nil, err
	}
	return signer, nil
}

// ErrUnsealed is the error for a ring in a store or a file without something to seal it with.
var ErrUnsealed = errors.New("keys in a store or a file are sealed")

// Open opens a vault. Errors have nothing of the key.
func Open(ctx context.Context, r Request) (keys.Vault, error) {
	var c aws.Config
	scheme, rest, _ := strings.Cut(r.URL, ":")
	if r.KMS != "" || scheme == "ssm" || scheme == "secrets-manager" {
		var err error
		if c, err = r.AWS(ctx); err != nil {
			return nil, fmt.Errorf("finding AWS credentials: %w", err)
		}
	}
	var sealer keys.Sealer
	switch {
	case r.Key != nil && r.KMS != "":
		return nil, errors.New("a ring is sealed with a key or with KMS: give one of them")
	case r.Key != nil:
		sealer = keys.MasterKey(r.Key)
	case r.KMS != "":
		s, err := kmskeys.NewSealer(kmskeys.SealerConfig{Client: kms.NewFromConfig(c), ARN: r.KMS})
		if err != nil {
			return nil, err
		}
		sealer = s
	case scheme == "store", scheme == "file":
		return nil, ErrUnsealed
	}
	switch scheme {
	case "store":
		return keys.StoreVault{Store: r.Store, Sealer: sealer, Name: r.Ring}, nil
	case "file":
		return keys.FileVault{Path: rest, Sealer: sealer}, nil
	case "ssm":
		return ssmkeys.New(ssmkeys.Config{Client: ssm.NewFromConfig(c), Path: rest, Sealer: sealer})
	case "secrets-manager":
		return smkeys.New(smkeys.Config{Client: secretsmanager.NewFromConfig(c), Name: rest, Sealer: sealer})
	}
	return nil, errors.New("its scheme is not known: use store, file:PATH, ssm:PATH or secrets-manager:NAME")
}
