package dynamostore

import (
	"errors"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/posternauth/postern/store"
)

// Attributes of the table. None is a reserved word of DynamoDB, so expressions name them as they are.
const (
	attrPart    = "pk"         // itemPrefix or counterPrefix, and Key.Part
	attrID      = "sk"         // Key.ID
	attrVersion = "ver"        // of an item
	attrValue   = "val"        // of an item; missing when empty
	attrExpires = "expires_ms" // Unix milliseconds; missing from an item that never expires
	attrTTL     = "expiry"     // Unix seconds, for Time to Live only
	attrSum     = "n"          // of a counter
)

// The two key spaces.
const (
	itemPrefix    = "i:"
	counterPrefix = "c:"
)

// Conditions. Each compares with the caller's clock, for DynamoDB has none in expressions.
const (
	ifAbsent  = "attribute_not_exists(pk) OR expires_ms <= :now"
	ifVersion = "ver = :old AND (attribute_not_exists(expires_ms) OR expires_ms > :now)"
)

// ttlMargin keeps items past their end, in seconds, so that Time to Live does not remove what is alive to a slow clock.
const ttlMargin = 60

// noEnd is the expiry of a counter that never expires: the year 10000. A counter always has one, so that the expiry of
// a later Add finds its place taken.
var noEnd = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)

type attributes = map[string]types.AttributeValue

var errForeign = errors.New("an item of the table was not written by this package: keep the table to it alone")

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

func number(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}

// ttl is the expiry for Time to Live: the end rounded up to a second, and the margin.
func ttl(end time.Time) types.AttributeValue { return number((end.UnixMilli()+999)/1000 + ttlMargin) }

func itemKey(k store.Key) attributes {
	return attributes{attrPart: text(itemPrefix + k.Part), attrID: text(k.ID)}
}

func counterKey(k store.Key) attributes {
	return attributes{attrPart: text(counterPrefix + k.Part), attrID: text(k.ID)}
}

func attributesOf(it store.Item) attributes {
	a := itemKey(it.Key)
	a[attrVersion] = text(it.Version)
	if len(it.Value) > 0 {
		a[attrValue] = &types.AttributeValueMemberB{Value: it.Value}
	}
	if !it.Expires.IsZero() {
		a[attrExpires] = number(it.Expires.UnixMilli())
		a[attrTTL] = ttl(it.Expires)
	}
	return a
}

// itemOf reads the item of a key back from the table.
func itemOf(part string, a attributes) (store.Item, error) {
	it := store.Item{Key: store.Key{Part: part, ID: stringOf(a, attrID)}, Version: stringOf(a, attrVersion)}
	if it.Key.ID == "" || it.Version == "" {
		return store.Item{}, errForeign
	}
	switch v := a[attrValue].(type) {
	case nil:
	case *types.AttributeValueMemberB:
		it.Value = v.Value
	default:
		return store.Item{}, errForeign
	}
	if a[attrExpires] != nil {
		ms, err := numberOf(a, attrExpires)
		if err != nil {
			return store.Item{}, err
		}
		it.Expires = time.UnixMilli(ms).UTC()
	}
	return it, nil
}

func stringOf(a attributes, name string) string {
	if s, ok := a[name].(*types.AttributeValueMemberS); ok {
		return s.Value
	}
	return ""
}

func numberOf(a attributes, name string) (int64, error) {
	n, ok := a[name].(*types.AttributeValueMemberN)
	if !ok {
		return 0, errForeign
	}
	i, err := strconv.ParseInt(n.Value, 10, 64)
	if err != nil {
		return 0, errForeign
	}
	return i, nil
}

// alive reports whether an item is there at a time, in Unix milliseconds.
func alive(it store.Item, now int64) bool { return it.Expires.IsZero() || it.Expires.UnixMilli() > now }
