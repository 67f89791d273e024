package dynamostore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/posternauth/postern/store"
)

// maxTransaction is what DynamoDB takes in one transaction, in bytes, less room for keys and names.
const maxTransaction = 4<<20 - 64<<10

// Write implements [store.Store]. One change is one PutItem, DeleteItem or GetItem; several changes are one
// TransactWriteItems. The values of one Write have at most 4032 KiB together; otherwise the error matches
// [store.ErrInvalid].
func (s *Store) Write(ctx context.Context, changes ...store.Change) error {
	if err := store.CheckChanges(changes...); err != nil {
		return err
	}
	var send func(ctx context.Context, doubt bool) error
	switch len(changes) {
	case 0:
		return ctx.Err()
	case 1:
		send = s.one(changes[0])
	default:
		total := 0
		for _, c := range changes {
			total += len(c.Item.Value)
		}
		if total > maxTransaction {
			return fmt.Errorf("%w: values of %d bytes in one Write, DynamoDB takes %d", store.ErrInvalid, total, maxTransaction)
		}
		send = s.several(changes)
	}
	doubt, err := s.patiently(ctx, repeatAll, send)
	if err == nil || err == store.ErrConflict {
		return err
	}
	return failed("writing items", inDoubt(doubt && !onlyChecks(changes), err))
}

func onlyChecks(changes []store.Change) bool {
	for _, c := range changes {
		if c.Op != store.OpCheck {
			return false
		}
	}
	return true
}

// one sends a change that is alone.
func (s *Store) one(c store.Change) func(ctx context.Context, doubt bool) error {
	return func(ctx context.Context, doubt bool) error {
		var err error
		switch {
		case c.Op == store.OpCheck:
			return s.check(ctx, c)
		case c.Op == store.OpDelete:
			condition := s.condition(c)
			_, err = s.client.DeleteItem(ctx, &dynamodb.DeleteItemInput{
				TableName: &s.table, Key: itemKey(c.Item.Key),
				ConditionExpression: condition.expression, ExpressionAttributeValues: condition.values,
				ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
			}, once)
		case doubt && c.Expect == "":
			return s.look(ctx, c)
		default:
			condition := s.condition(c)
			_, err = s.client.PutItem(ctx, &dynamodb.PutItemInput{
				TableName: &s.table, Item: attributesOf(c.Item),
				ConditionExpression: condition.expression, ExpressionAttributeValues: condition.values,
				ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
			}, once)
		}
		if failure := (*types.ConditionalCheckFailedException)(nil); errors.As(err, &failure) {
			return verdict(doubt, []store.Change{c}, []attributes{failure.Item})
		}
		return err
	}
}

// check is a Check that is alone: a consistent read is of one moment, and so is the answer.
func (s *Store) check(ctx context.Context, c store.Change) error {
	it, _, err := s.read(ctx, c.Item.Key)
	if err == nil && it.Version != c.Expect {
		return store.ErrConflict
	}
	return err
}

// look goes after a Put of something absent whose answer was lost. If it is not there, it may have been put and
// deleted, or may still arrive.
func (s *Store) look(ctx context.Context, c store.Change) error {
	out, err := s.client.GetItem(ctx, &dynamodb.GetItemInput{TableName: &s.table, Key: itemKey(c.Item.Key), ConsistentRead: aws.Bool(true)}, once)
	if err == nil && stringOf(out.Item, attrVersion) != c.Item.Version {
		return errDoubt
	}
	return err
}

// several sends changes as a transaction. The token makes DynamoDB apply it once however often it is sent; with a token
// the request has to stay the same to the byte. A sending that is known to have done nothing ends its use.
func (s *Store) several(changes []store.Change) func(ctx context.Context, doubt bool) error {
	var in *dynamodb.TransactWriteItemsInput
	return func(ctx context.Context, doubt bool) error {
		if !doubt {
			in = s.transaction(changes)
		}
		_, err := s.client.TransactWriteItems(ctx, in, once)
		cancelled := (*types.TransactionCanceledException)(nil)
		if !errors.As(err, &cancelled) {
			return err
		}
		failed := false
		standing := make([]attributes, len(changes))
		for i, reason := range cancelled.CancellationReasons {
			if deref(reason.Code) == "ConditionalCheckFailed" && i < len(changes) {
				failed = true
				standing[i] = reason.Item
			}
		}
		if failed {
			return verdict(doubt, changes, standing)
		}
		return err
	}
}

func (s *Store) transaction(changes []store.Change) *dynamodb.TransactWriteItemsInput {
	in := &dynamodb.TransactWriteItemsInput{ClientRequestToken: aws.String(rand.Text())}
	for _, c := range changes {
		condition := s.condition(c)
		var t types.TransactWriteItem
		switch c.Op {
		case store.OpPut:
			t.Put = &types.Put{
				TableName: &s.table, Item: attributesOf(c.Item),
				ConditionExpression: condition.expression, ExpressionAttributeValues: condition.values,
				ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
			}
		case store.OpDelete:
			t.Delete = &types.Delete{
				TableName: &s.table, Key: itemKey(c.Item.Key),
				ConditionExpression: condition.expression, ExpressionAttributeValues: condition.values,
				ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
			}
		case store.OpCheck:
			t.ConditionCheck = &types.ConditionCheck{
				TableName: &s.table, Key: itemKey(c.Item.Key),
				ConditionExpression: condition.expression, ExpressionAttributeValues: condition.values,
			}
		}
		in.TransactItems = append(in.TransactItems, t)
	}
	return in
}

// condition is what must hold for a change to happen.
type condition struct {
	expression *string
	values     attributes
}

func (s *Store) condition(c store.Change) condition {
	now := number(s.nowMilli())
	if c.Expect == "" {
		return condition{aws.String(ifAbsent), attributes{":now": now}}
	}
	return condition{aws.String(ifVersion), attributes{":now": now, ":old": text(c.Expect)}}
}

// verdict says what a failed condition means, from what stands in the table in place of each change (nil: nothing, or
// not told). Versions are never used again, which makes them witnesses:
//
//   - the version of a Put stands there: an earlier sending was applied, and with it all changes
//   - every sending before was answered: nothing was done
//   - the version that a Put or a Delete was to replace still stands (and has expired): nothing was done
//   - else an earlier sending may have been applied, and what it wrote be overwritten or deleted since
func verdict(doubt bool, changes []store.Change, standing []attributes) error {
	replaceable := false
	for i, c := range changes {
		version := stringOf(standing[i], attrVersion)
		switch {
		case version == "":
		case c.Op == store.OpPut && version == c.Item.Version:
			return nil
		case c.Op != store.OpCheck && version == c.Expect:
			replaceable = true
		}
	}
	if !doubt || replaceable {
		return store.ErrConflict
	}
	return errDoubt
}
