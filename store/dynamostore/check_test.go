package dynamostore_test

import (
	"crypto/rand"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/posternauth/postern/store/dynamostore"
)

// TestCheck: each setting that is missing is named, and a table with all of them has no problem.
func TestCheck(t *testing.T) {
	client, table := newTable(t)
	problems := func() string {
		t.Helper()
		found, err := dynamostore.Check(t.Context(), client, table)
		must(t, err)
		return strings.Join(found.Problems(), "\n")
	}
	if got := problems(); !strings.Contains(got, "point-in-time recovery is off") || !strings.Contains(got, "deletion protection is off") || strings.Contains(got, "Time to Live") {
		t.Errorf("a table of CreateTable: %s", got)
	}
	_, err := client.UpdateContinuousBackups(t.Context(), &dynamodb.UpdateContinuousBackupsInput{
		TableName: &table, PointInTimeRecoverySpecification: &types.PointInTimeRecoverySpecification{PointInTimeRecoveryEnabled: aws.Bool(true)},
	})
	must(t, err)
	_, err = client.UpdateTable(t.Context(), &dynamodb.UpdateTableInput{TableName: &table, DeletionProtectionEnabled: aws.Bool(true)})
	must(t, err)
	if got := problems(); got != "" {
		t.Errorf("a table with all of it: %s", got)
	}
	_, err = client.UpdateTable(t.Context(), &dynamodb.UpdateTableInput{TableName: &table, DeletionProtectionEnabled: aws.Bool(false)})
	must(t, err) // or the test could not delete it
	_, err = client.UpdateTimeToLive(t.Context(), &dynamodb.UpdateTimeToLiveInput{
		TableName: &table, TimeToLiveSpecification: &types.TimeToLiveSpecification{AttributeName: aws.String("expiry"), Enabled: aws.Bool(false)},
	})
	must(t, err)
	if got := problems(); !strings.Contains(got, "Time to Live is not on the attribute expiry") {
		t.Errorf("without Time to Live: %s", got)
	}

	other := "t-" + rand.Text()
	_, err = client.CreateTable(t.Context(), &dynamodb.CreateTableInput{
		TableName: &other, BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("pk"), AttributeType: "S"}},
		KeySchema:            []types.KeySchemaElement{{AttributeName: aws.String("pk"), KeyType: "HASH"}},
	})
	must(t, err)
	for name, want := range map[string]string{other: "are not the strings pk (partition) and sk (sort)", "t-" + rand.Text(): "there is no table"} {
		if found, err := dynamostore.Check(t.Context(), client, name); err != nil || !strings.Contains(found.Unusable(), want) {
			t.Errorf("%s: %q, %v; want %q", name, found.Unusable(), err, want)
		}
	}
	if _, err := dynamostore.Check(t.Context(), newClient("http://127.0.0.1:1", nil), table); err == nil {
		t.Error("no server, and no error")
	}
}
