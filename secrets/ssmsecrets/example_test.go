package ssmsecrets_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/posternauth/postern/secrets"
	"github.com/posternauth/postern/secrets/ssmsecrets"
)

// A shelf stands in for ssm.NewFromConfig(loaded).
type shelf struct {
	ssmsecrets.Client // what the example does not call
	parameters        map[string]types.Parameter
}

func (s shelf) GetParameters(_ context.Context, in *ssm.GetParametersInput, _ ...func(*ssm.Options)) (*ssm.GetParametersOutput, error) {
	out := &ssm.GetParametersOutput{}
	for _, name := range in.Names {
		if p, ok := s.parameters[name]; ok {
			out.Parameters = append(out.Parameters, p)
		} else {
			out.InvalidParameters = append(out.InvalidParameters, name)
		}
	}
	return out, nil
}

func (s shelf) PutParameter(_ context.Context, in *ssm.PutParameterInput, _ ...func(*ssm.Options)) (*ssm.PutParameterOutput, error) {
	fmt.Println("set", aws.ToString(in.Name))
	s.parameters[aws.ToString(in.Name)] = types.Parameter{Name: in.Name, Value: in.Value, Type: in.Type}
	return &ssm.PutParameterOutput{}, nil
}

func Example() {
	source, err := ssmsecrets.New(ssmsecrets.Config{Client: shelf{parameters: map[string]types.Parameter{}}, Prefix: "/postern"})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	// What postern secrets set does.
	if err := source.Set(ctx, secrets.Key{App: "shop", Stage: "prod", Kind: secrets.Secret, Name: "GOOGLE_CLIENT_SECRET"}, "s3cret"); err != nil {
		fmt.Println(err)
		return
	}
	s, err := secrets.Open(secrets.Config{App: "shop", Stage: "prod", Sources: []secrets.Source{source}})
	if err != nil {
		fmt.Println(err)
		return
	}
	value, err := s.Get(ctx, "GOOGLE_CLIENT_SECRET")
	fmt.Println(len(value), err)

	_, err = s.Get(ctx, "SMTP_PASSWORD")
	fmt.Println(errors.Is(err, secrets.ErrMissing), err)
	// Output:
	// set /postern/shop/prod/Secret/GOOGLE_CLIENT_SECRET/value
	// 6 <nil>
	// true secrets: no value for SMTP_PASSWORD (shop/prod): set it with postern secrets set SMTP_PASSWORD --app shop --stage prod --in ssm:/postern
}
