package dynamostore

import (
	"context"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/posternauth/postern/store"
)

// The two ways to count. The first makes a counter or counts on; it fails on one that has expired, which the second
// starts anew.
const (
	countOn    = "SET expires_ms = if_not_exists(expires_ms, :end), expiry = if_not_exists(expiry, :ttl) ADD n :delta"
	ifCounting = "attribute_not_exists(pk) OR expires_ms > :now"
	countAnew  = "SET expires_ms = :end, expiry = :ttl, n = :delta"
)

// Add implements [store.Store] with one UpdateItem, or two when the counter has expired and is still in the table.
func (s *Store) Add(ctx context.Context, k store.Key, delta int64, expires time.Time) (int64, error) {
	if err := store.CheckAdd(k, delta, expires); err != nil {
		return 0, err
	}
	if expires.IsZero() {
		expires = noEnd
	}
	var sum int64
	anew := false
	doubt, err := s.patiently(ctx, repeatRefused, func(ctx context.Context, _ bool) error {
		update, condition := countOn, ifCounting
		if anew {
			update, condition = countAnew, ifAbsent
		}
		out, err := s.client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
			TableName:           &s.table,
			Key:                 counterKey(k),
			UpdateExpression:    &update,
			ConditionExpression: &condition,
			ExpressionAttributeValues: attributes{
				":delta": number(delta), ":end": number(expires.UnixMilli()), ":ttl": ttl(expires), ":now": number(s.nowMilli()),
			},
			ReturnValues: types.ReturnValueAllNew, // the updated ones alone would do, but moto leaves out n when delta is zero
		}, once)
		if failure := (*types.ConditionalCheckFailedException)(nil); errors.As(err, &failure) {
			anew = !anew // it has expired, or another call has just started it anew
			return errOtherWay
		}
		if err == nil {
			sum, err = numberOf(out.Attributes, attrSum)
		}
		return err
	})
	if err != nil {
		return 0, failed("adding to a counter", inDoubt(doubt, err))
	}
	return sum, nil
}
