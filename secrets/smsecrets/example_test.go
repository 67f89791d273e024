package smsecrets_test

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"github.com/posternauth/postern/secrets"
	"github.com/posternauth/postern/secrets/smsecrets"
)

// A shelf stands in for secretsmanager.NewFromConfig(loaded).
type shelf struct {
	smsecrets.Client // what the example does not call
	values           map[string]*string
}

func (s shelf) GetSecretValue(_ context.Context, in *secretsmanager.GetSecretValueInput, _ ...func(*secretsmanager.Options)) (*secretsmanager.GetSecretValueOutput, error) {
	value, ok := s.values[aws.ToString(in.SecretId)]
	if !ok {
		return nil, &types.ResourceNotFoundException{}
	}
	return &secretsmanager.GetSecretValueOutput{Name: in.SecretId, SecretString: value}, nil
}

func (s shelf) CreateSecret(_ context.Context, in *secretsmanager.CreateSecretInput, _ ...func(*secretsmanager.Options)) (*secretsmanager.CreateSecretOutput, error) {
	fmt.Println("set", aws.ToString(in.Name))
	s.values[aws.ToString(in.Name)] = in.SecretString
	return &secretsmanager.CreateSecretOutput{}, nil
}

// A stage without a value uses that of the fallback stage, which previews share.
func Example() {
	source, err := smsecrets.New(smsecrets.Config{Client: shelf{values: map[string]*string{}}, Prefix: "/postern"})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	// What postern secrets set --fallback does.
	if err := source.Set(ctx, secrets.Key{App: "shop", Stage: secrets.FallbackStage, Kind: secrets.Secret, Name: "SMTP_PASSWORD"}, "s3cret"); err != nil {
		fmt.Println(err)
		return
	}
	for _, stage := range []string{"pr-7", "prod"} {
		s, err := secrets.Open(secrets.Config{App: "shop", Stage: stage, Sources: []secrets.Source{source}})
		if err != nil {
			fmt.Println(err)
			return
		}
		value, err := s.Get(ctx, "SMTP_PASSWORD")
		fmt.Println(stage, len(value), err != nil)
	}
	// Output:
	// set /postern/shop/.fallback/Secret/SMTP_PASSWORD/value
	// pr-7 6 false
	// prod 0 true
}
