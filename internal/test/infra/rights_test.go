package infra_test

import (
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamotypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/smithy-go"

	"github.com/posternauth/postern/internal/test/infra"
	"github.com/posternauth/postern/internal/test/testserver"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/keys/ssmkeys"
)

// TestRights_Refuse: what stands in for IAM lets through what a role of the SAM template allows, and nothing else.
func TestRights_Refuse(t *testing.T) {
	policies := sam(t).Policies(t)
	moto := testserver.Moto(t).URL()
	auth, rotator := infra.NewRights(t, moto, "auth", policies), infra.NewRights(t, moto, "rotator", policies)
	config := func(r *infra.Rights) aws.Config {
		return aws.Config{Region: infra.Region, BaseEndpoint: &r.URL, Credentials: credentials.NewStaticCredentialsProvider("x", "x", "")}
	}
	get := func(c aws.Config, names ...string) error {
		_, err := ssm.NewFromConfig(c).GetParameters(t.Context(), &ssm.GetParametersInput{Names: names})
		return err
	}
	remove := func(c aws.Config, name string) error {
		_, err := ssm.NewFromConfig(c).DeleteParameters(t.Context(), &ssm.DeleteParametersInput{Names: []string{name}})
		return err
	}
	write := func(c aws.Config, table string) error {
		put := &dynamotypes.Put{TableName: &table, Item: map[string]dynamotypes.AttributeValue{"pk": &dynamotypes.AttributeValueMemberS{Value: "1"}}}
		_, err := dynamodb.NewFromConfig(c).TransactWriteItems(t.Context(), &dynamodb.TransactWriteItemsInput{TransactItems: []dynamotypes.TransactWriteItem{{Put: put}}})
		return err
	}
	for _, c := range []struct {
		name    string
		err     error
		refused bool
	}{
		{"auth reads a secret", get(config(auth), "/postern/shop/prod/Secret/GOOGLE_CLIENT_SECRET/value"), false},
		{"auth reads a secret of another stage", get(config(auth), "/postern/shop/dev/Secret/GOOGLE_CLIENT_SECRET/value"), true},
		{"auth removes a ring", remove(config(auth), "/shop/prod/auth/keys/0000000001"), true},
		{"auth writes another table", write(config(auth), "other"), true},
		{"rotator removes a ring", remove(config(rotator), "/shop/prod/auth/keys/0000000001"), false},
		{"rotator reads one secret of two", get(config(rotator), "/shop/prod/auth/keys/1", "/postern/shop/prod/Secret/GOOGLE_CLIENT_SECRET/value"), true},
		{"rotator writes the table", write(config(rotator), "Table"), true},
	} {
		var api smithy.APIError
		if got := errors.As(c.err, &api) && api.ErrorCode() == "AccessDeniedException"; got != c.refused || !c.refused && c.err != nil {
			t.Errorf("%s: %v", c.name, c.err)
		}
	}
	if got := rotator.Refused(); !slices.ContainsFunc(got, func(s string) bool { return strings.HasPrefix(s, "dynamodb:PutItem on arn:aws:dynamodb:") }) {
		t.Errorf("refused to the rotator: %q", got)
	}
}

// checkGrantIssue opens the ring of a deployment with the rights that grantIssue gives, and signs. The test of the
// construct printed them: for tokens of an hour, and for longer ones.
func checkGrantIssue(t *testing.T, out string) {
	t.Helper()
	_, line, found := strings.Cut(out, "issue {")
	line, _, _ = strings.Cut(line, "\n")
	if !found {
		t.Fatal("the tests did not print the rights of grantIssue")
	}
	template := infra.Resolve(t, []byte("{"+line), nil)
	moto := testserver.Moto(t).URL()
	client := func(url string) *ssm.Client {
		return ssm.New(ssm.Options{Region: infra.Region, BaseEndpoint: &url, Credentials: credentials.NewStaticCredentialsProvider("x", "x", "")})
	}
	// moto loads a service at its first call, which may take longer than a ring waits.
	if _, err := client(moto).GetParametersByPath(t.Context(), &ssm.GetParametersByPathInput{Path: aws.String("/nothing")}); err != nil {
		t.Fatal(err)
	}
	open := func(url string) (*keys.Ring, error) {
		vault, err := ssmkeys.New(ssmkeys.Config{Client: client(url), Path: "/shop/prod/auth/keys"})
		if err != nil {
			t.Fatal(err)
		}
		return keys.Open(t.Context(), keys.RingConfig{Vault: vault, Algorithm: keys.ES256, Logger: slog.New(slog.DiscardHandler)})
	}
	if _, err := open(moto); err != nil { // the first start of the auth function
		t.Fatal(err)
	}
	for _, c := range []struct {
		rights   string
		lifetime time.Duration
		refused  string
	}{
		{"Hour", 5 * time.Minute, ""}, {"Hour", time.Hour, ""}, {"Hour", 8 * time.Hour, "ssm:PutParameter"}, {"Longer", 8 * time.Hour, ""},
	} {
		policy := infra.Policy{Role: "issue", Document: template.Resources[c.rights].Properties}
		rights := infra.NewRights(t, moto, "issue", []infra.Policy{policy})
		ring, err := open(rights.URL)
		if err != nil {
			t.Errorf("%s: %v", c.rights, err)
			continue
		}
		_, err = ring.SigningKey(t.Context(), c.lifetime)
		refused := strings.Join(rights.Refused(), "\n")
		if (err != nil) != (c.refused != "") || !strings.HasPrefix(refused, c.refused) || c.refused == "" && refused != "" {
			t.Errorf("%s, tokens of %v: %v, refused %q", c.rights, c.lifetime, err, refused)
		}
	}
}
