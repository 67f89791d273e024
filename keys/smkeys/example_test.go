package smkeys_test

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/keys/smkeys"
)

// A shelf stands in for secretsmanager.NewFromConfig(loaded). It has no secret at first.
type shelf struct {
	smkeys.Client // what a new ring does not call
}

func (shelf) GetSecretValue(context.Context, *secretsmanager.GetSecretValueInput, ...func(*secretsmanager.Options)) (*secretsmanager.GetSecretValueOutput, error) {
	return nil, &types.ResourceNotFoundException{}
}

func (shelf) CreateSecret(_ context.Context, in *secretsmanager.CreateSecretInput, _ ...func(*secretsmanager.Options)) (*secretsmanager.CreateSecretOutput, error) {
	fmt.Println("made", aws.ToString(in.Name), "under", aws.ToString(in.KmsKeyId))
	return &secretsmanager.CreateSecretOutput{}, nil
}

func Example() {
	vault, err := smkeys.New(smkeys.Config{Client: shelf{}, Name: "shop/prod/auth/keys", KeyID: "alias/auth"})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	ring, err := keys.Open(ctx, keys.RingConfig{Vault: vault, Algorithm: keys.ES256})
	if err != nil {
		fmt.Println(err)
		return
	}
	all, err := ring.PublicKeys(ctx)
	fmt.Println(len(all), "key", err)
	// Output:
	// made shop/prod/auth/keys under alias/auth
	// 1 key <nil>
}
