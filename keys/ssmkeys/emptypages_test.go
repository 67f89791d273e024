package ssmkeys_test

import (
	"context"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/posternauth/postern/keys/ssmkeys"
)

// emptyPages lists nothing, on three pages, and has the parameters of a map.
type emptyPages struct {
	ssmkeys.Client
	pages  int
	values map[string]string
}

func (c *emptyPages) GetParametersByPath(context.Context, *ssm.GetParametersByPathInput, ...func(*ssm.Options)) (*ssm.GetParametersByPathOutput, error) {
	if c.pages++; c.pages%3 == 0 {
		return &ssm.GetParametersByPathOutput{}, nil
	}
	return &ssm.GetParametersByPathOutput{NextToken: aws.String("next")}, nil
}

func (c *emptyPages) GetParameters(_ context.Context, in *ssm.GetParametersInput, _ ...func(*ssm.Options)) (*ssm.GetParametersOutput, error) {
	out := &ssm.GetParametersOutput{}
	for _, name := range in.Names {
		if value, ok := c.values[name]; ok {
			out.Parameters = append(out.Parameters, types.Parameter{Name: &name, Value: &value, Type: types.ParameterTypeSecureString})
		}
	}
	return out, nil
}

func (c *emptyPages) PutParameter(_ context.Context, in *ssm.PutParameterInput, _ ...func(*ssm.Options)) (*ssm.PutParameterOutput, error) {
	c.values[*in.Name] = *in.Value
	return &ssm.PutParameterOutput{}, nil
}

// TestLoad_EmptyPages: SSM may answer a list with empty pages. What was saved between two of them is found.
func TestLoad_EmptyPages(t *testing.T) {
	client := &emptyPages{values: map[string]string{}}
	v, err := ssmkeys.New(ssmkeys.Config{Client: client, Path: path, Logger: silent})
	if err != nil {
		t.Fatal(err)
	}
	if data, version, err := v.Load(t.Context()); err != nil || data != nil || version != "" {
		t.Errorf("an empty path: %q at %q, %v", data, version, err)
	}
	saved, err := v.Save(t.Context(), []byte("ring"), "")
	if err != nil {
		t.Fatal(err)
	}
	if data, version, err := v.Load(t.Context()); err != nil || string(data) != "ring" || version != saved {
		t.Errorf("after a save: %q at %q, %v, want %q", data, version, err, saved)
	}
}
