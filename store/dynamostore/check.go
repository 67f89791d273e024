package dynamostore

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// CheckClient has the methods of a *dynamodb.Client that Check calls. The program itself needs none of them, so its
// role need not have their permissions.
type CheckClient interface {
	DescribeTable(context.Context, *dynamodb.DescribeTableInput, ...func(*dynamodb.Options)) (*dynamodb.DescribeTableOutput, error)
	DescribeTimeToLive(context.Context, *dynamodb.DescribeTimeToLiveInput, ...func(*dynamodb.Options)) (*dynamodb.DescribeTimeToLiveOutput, error)
	DescribeContinuousBackups(context.Context, *dynamodb.DescribeContinuousBackupsInput, ...func(*dynamodb.Options)) (*dynamodb.DescribeContinuousBackupsOutput, error)
}

// A Table is what DynamoDB returns about a table.
type Table struct {
	Name               string
	Missing            bool   // there is no such table
	Status             string // such as "ACTIVE"
	Keys               bool   // the keys are the strings pk and sk
	TimeToLive         string // the attribute of Time to Live; empty: it is off
	PointInTime        bool   // point-in-time recovery is on
	DeletionProtection bool
}

// Check reads the settings of a table. It is for commands and deployment checks: infrastructure tools make the table,
// and a program that serves requests needs no permission to describe it.
func Check(ctx context.Context, client CheckClient, name string) (Table, error) {
	found := Table{Name: name}
	described, err := client.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &name})
	if gone := (*types.ResourceNotFoundException)(nil); errors.As(err, &gone) {
		found.Missing = true
		return found, nil
	}
	if err != nil {
		return Table{}, failed("describing the table", err)
	}
	t := described.Table
	found.Status = string(t.TableStatus)
	found.DeletionProtection = t.DeletionProtectionEnabled != nil && *t.DeletionProtectionEnabled
	kinds := map[string]types.ScalarAttributeType{}
	for _, a := range t.AttributeDefinitions {
		kinds[deref(a.AttributeName)] = a.AttributeType
	}
	roles := map[types.KeyType]string{}
	for _, k := range t.KeySchema {
		roles[k.KeyType] = deref(k.AttributeName)
	}
	found.Keys = roles[types.KeyTypeHash] == attrPart && roles[types.KeyTypeRange] == attrID &&
		kinds[attrPart] == types.ScalarAttributeTypeS && kinds[attrID] == types.ScalarAttributeTypeS
	ttl, err := client.DescribeTimeToLive(ctx, &dynamodb.DescribeTimeToLiveInput{TableName: &name})
	if err != nil {
		return Table{}, failed("reading the Time to Live of the table", err)
	}
	if d := ttl.TimeToLiveDescription; d != nil && (d.TimeToLiveStatus == types.TimeToLiveStatusEnabled || d.TimeToLiveStatus == types.TimeToLiveStatusEnabling) {
		found.TimeToLive = deref(d.AttributeName)
	}
	backups, err := client.DescribeContinuousBackups(ctx, &dynamodb.DescribeContinuousBackupsInput{TableName: &name})
	if err != nil {
		return Table{}, failed("reading the backups of the table", err)
	}
	if d := backups.ContinuousBackupsDescription; d != nil && d.PointInTimeRecoveryDescription != nil {
		found.PointInTime = d.PointInTimeRecoveryDescription.PointInTimeRecoveryStatus == types.PointInTimeRecoveryStatusEnabled
	}
	return found, nil
}

// Unusable returns why the store cannot work on the table, and what to do; empty: it can.
func (t Table) Unusable() string {
	switch {
	case t.Missing:
		return fmt.Sprintf("there is no table %s; make it with your infrastructure tools: string keys %s and %s, Time to Live on %s", t.Name, attrPart, attrID, attrTTL)
	case !t.Keys:
		return fmt.Sprintf("the keys of %s are not the strings %s (partition) and %s (sort); make another table with them", t.Name, attrPart, attrID)
	case t.Status != string(types.TableStatusActive) && t.Status != string(types.TableStatusUpdating):
		return fmt.Sprintf("the table %s is %s; wait until it is ACTIVE", t.Name, t.Status)
	}
	return ""
}

// Problems returns the settings that are wrong for sessions in production, each with its cure. An empty list is good.
func (t Table) Problems() []string {
	if why := t.Unusable(); why != "" {
		return []string{why}
	}
	var found []string
	if t.TimeToLive != attrTTL {
		found = append(found, fmt.Sprintf("Time to Live is not on the attribute %s: rows that expired stay for ever; turn it on with your infrastructure tools", attrTTL))
	}
	if !t.PointInTime {
		found = append(found, "point-in-time recovery is off: a table that was emptied by mistake is lost; turn it on")
	}
	if !t.DeletionProtection {
		found = append(found, "deletion protection is off: a stack that is deleted takes the sessions with it; turn it on")
	}
	return found
}
