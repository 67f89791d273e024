package ssmkeys_test

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/keys/ssmkeys"
)

// A shelf stands in for ssm.NewFromConfig(loaded).
type shelf struct {
	ssmkeys.Client // what a small ring does not call
	parameters     map[string]types.Parameter
}

func (s shelf) GetParametersByPath(context.Context, *ssm.GetParametersByPathInput, ...func(*ssm.Options)) (*ssm.GetParametersByPathOutput, error) {
	out := &ssm.GetParametersByPathOutput{}
	for _, p := range s.parameters {
		out.Parameters = append(out.Parameters, p)
	}
	return out, nil
}

func (s shelf) PutParameter(_ context.Context, in *ssm.PutParameterInput, _ ...func(*ssm.Options)) (*ssm.PutParameterOutput, error) {
	fmt.Println("saved", aws.ToString(in.Name))
	s.parameters[aws.ToString(in.Name)] = types.Parameter{Name: in.Name, Value: in.Value, Type: in.Type}
	return &ssm.PutParameterOutput{}, nil
}

func Example() {
	vault, err := ssmkeys.New(ssmkeys.Config{
		Client: shelf{parameters: map[string]types.Parameter{}},
		Path:   "/shop/prod/auth/keys",
	})
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
	if err := ring.Rotate(ctx); err != nil {
		fmt.Println(err)
	}
	all, err := ring.PublicKeys(ctx)
	fmt.Println(len(all), "keys", err)
	// Output:
	// saved /shop/prod/auth/keys/0000000001
	// saved /shop/prod/auth/keys/0000000002
	// 2 keys <nil>
}
