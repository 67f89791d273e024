package dynamostore

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/posternauth/postern/store"
)

// Get implements [store.Store] with one GetItem, or one BatchGetItem for several keys, which DynamoDB may answer in
// parts when it is throttling.
func (s *Store) Get(ctx context.Context, keys ...store.Key) ([]store.Item, error) {
	if err := store.CheckKeys(keys...); err != nil {
		return nil, err
	}
	var items []store.Item
	var err error
	switch len(keys) {
	case 0:
		return nil, ctx.Err()
	case 1:
		items, err = s.getOne(ctx, keys[0])
	default:
		items, err = s.getMany(ctx, keys)
	}
	if err != nil {
		return nil, failed("reading items", err)
	}
	return items, nil
}

func (s *Store) getOne(ctx context.Context, k store.Key) ([]store.Item, error) {
	var items []store.Item
	_, err := s.patiently(ctx, repeatAll, func(ctx context.Context, _ bool) error {
		it, found, err := s.read(ctx, k)
		if err == nil && found {
			items = []store.Item{it}
		}
		return err
	})
	return items, err
}

// read asks once for an item, and whether it is there.
func (s *Store) read(ctx context.Context, k store.Key) (store.Item, bool, error) {
	out, err := s.client.GetItem(ctx, &dynamodb.GetItemInput{TableName: &s.table, Key: itemKey(k), ConsistentRead: aws.Bool(true)}, once)
	if err != nil || out.Item == nil {
		return store.Item{}, false, err
	}
	it, err := itemOf(k.Part, out.Item)
	if err != nil || !alive(it, s.nowMilli()) {
		return store.Item{}, false, err
	}
	return it, true, nil
}

func (s *Store) getMany(ctx context.Context, keys []store.Key) ([]store.Item, error) {
	found := make(map[store.Key]store.Item, len(keys))
	pending := types.KeysAndAttributes{ConsistentRead: aws.Bool(true), Keys: make([]map[string]types.AttributeValue, len(keys))}
	for i, k := range keys {
		pending.Keys[i] = itemKey(k)
	}
	_, err := s.patiently(ctx, repeatAll, func(ctx context.Context, _ bool) error {
		out, err := s.client.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{s.table: pending}}, once)
		if err != nil {
			return err
		}
		// One request names one table, so every answer is of it: by its name, even where the request had its ARN.
		now := s.nowMilli()
		for _, answers := range out.Responses {
			for _, a := range answers {
				part, ok := strings.CutPrefix(stringOf(a, attrPart), itemPrefix)
				if !ok {
					return errForeign
				}
				it, err := itemOf(part, a)
				if err != nil {
					return err
				}
				if alive(it, now) {
					found[it.Key] = it
				}
			}
		}
		var left []map[string]types.AttributeValue
		for _, unprocessed := range out.UnprocessedKeys {
			left = append(left, unprocessed.Keys...)
		}
		if len(left) > 0 {
			pending.Keys = left
			return errUnprocessed
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	items := make([]store.Item, 0, len(found))
	for _, k := range keys {
		if it, ok := found[k]; ok {
			items = append(items, it)
		}
	}
	return items, nil
}

// List implements [store.Store] with one Query. It is strongly consistent here. A page ends early at 1 MB, and where
// items have expired that DynamoDB has not yet removed.
func (s *Store) List(ctx context.Context, part, after string, limit int) (items []store.Item, next string, err error) {
	if err := store.CheckList(part, after, limit); err != nil {
		return nil, "", err
	}
	in := &dynamodb.QueryInput{
		TableName:                 &s.table,
		ConsistentRead:            aws.Bool(true),
		Limit:                     aws.Int32(int32(limit)), // at most store.MaxList
		KeyConditionExpression:    aws.String("pk = :part"),
		ExpressionAttributeValues: attributes{":part": text(itemPrefix + part)},
	}
	if after != "" {
		in.KeyConditionExpression = aws.String("pk = :part AND sk > :after")
		in.ExpressionAttributeValues[":after"] = text(after)
	}
	_, err = s.patiently(ctx, repeatAll, func(ctx context.Context, _ bool) error {
		items, next = nil, ""
		out, err := s.client.Query(ctx, in, once)
		if err != nil {
			return err
		}
		now := s.nowMilli()
		for _, a := range out.Items {
			it, err := itemOf(part, a)
			if err != nil {
				return err
			}
			if alive(it, now) {
				items = append(items, it)
			}
		}
		if out.LastEvaluatedKey != nil {
			if next = stringOf(out.LastEvaluatedKey, attrID); next == "" {
				return errForeign
			}
		}
		return nil
	})
	if err != nil {
		return nil, "", failed("listing items", err)
	}
	return items, next, nil
}

func (s *Store) nowMilli() int64 { return s.now().UnixMilli() }
