// Package dynamostore keeps Postern's items in a table of Amazon DynamoDB.
//
// The program makes the client and hands it over, so that region, credentials, endpoint and HTTP client are its own:
//
//	client := dynamodb.New(dynamodb.Options{Region: region, Credentials: credentials})
//	st, err := dynamostore.New(dynamostore.Config{Client: client, Table: "auth"})
//
// This package does not link the config package of the AWS SDK, which starts slowly and is large. In a Lambda function
// everything it would find is in the environment.
//
// # The table
//
// One table with the string keys pk (partition) and sk (sort), on demand or provisioned, and Time to Live on the number
// attribute expiry. [CreateTable] makes it for development. Its other attributes are ver, val, expires_ms and n.
//
// Time to Live only saves space: DynamoDB removes an item hours or days after its time. To this package an item is
// absent from its very millisecond on, in conditions and in what is read. Since it is the caller's clock that decides,
// expiry is set a minute late, so that nothing is removed that a function with a slow clock still holds for alive.
//
// # Consistency
//
// All reads are strongly consistent. One change is one conditional request; several are one transaction. Write the table
// in one region only. In a global table that is written in several the last writer wins, so that what was used up in one
// region can be used again in another; and a global table with strong consistency takes no transactions.
//
// # Retries
//
// The package repeats requests itself, with full jitter, for up to ten seconds or until the context ends, and turns off
// the retries of the client, because those cannot tell a write that failed from one whose answer was lost. When an answer
// was lost it looks for its own version in the table. Where even that leaves doubt the error says so, and is never
// [store.ErrConflict]:
//
//   - a Put in place of another version is repeated; its own version, found in the table, says that it was applied
//   - a Put of something absent is not repeated, for it might put back what another call deleted in between; it is looked for
//   - a Delete is repeated; when the version is gone then, nobody can say who deleted it, and the error says that
//   - several changes are repeated under one token, by which DynamoDB applies them once
//   - an Add is not repeated, for it would count twice
package dynamostore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/posternauth/postern/store"
)

// Client is what the store calls of a *dynamodb.Client. One that wraps it must pass the options on: they turn off the
// client's own retries, which could report a Delete that was applied as a conflict, and check that an answer is whole.
type Client interface {
	GetItem(context.Context, *dynamodb.GetItemInput, ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error)
	BatchGetItem(context.Context, *dynamodb.BatchGetItemInput, ...func(*dynamodb.Options)) (*dynamodb.BatchGetItemOutput, error)
	Query(context.Context, *dynamodb.QueryInput, ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error)
	PutItem(context.Context, *dynamodb.PutItemInput, ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error)
	UpdateItem(context.Context, *dynamodb.UpdateItemInput, ...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput, error)
	DeleteItem(context.Context, *dynamodb.DeleteItemInput, ...func(*dynamodb.Options)) (*dynamodb.DeleteItemOutput, error)
	TransactWriteItems(context.Context, *dynamodb.TransactWriteItemsInput, ...func(*dynamodb.Options)) (*dynamodb.TransactWriteItemsOutput, error)
}

// Config says where the items are kept.
type Config struct {
	// Client reaches DynamoDB. Required. A *dynamodb.Client fits.
	Client Client

	// Table is the name or the ARN of the table. Required. New does not look whether it exists.
	Table string

	// RequestTimeout is how long one request may take before it counts as lost and, where that is safe, is repeated.
	// Default 3 seconds: DynamoDB answers within milliseconds, and a connection that went dead while a function was
	// frozen is only noticed by waiting. The HTTP client may have a shorter one.
	RequestTimeout time.Duration

	// Now is the clock that decides what has expired. Default time.Now. Machines that share a table should agree on the
	// time within a minute.
	Now func() time.Time
}

const defaultRequestTimeout = 3 * time.Second

// A Store is a [store.Store] in a table of DynamoDB. Make it with [New].
type Store struct {
	client  Client
	table   string
	timeout time.Duration
	now     func() time.Time
}

var _ store.Store = (*Store)(nil)

// New makes a Store on a table. It sends nothing: a missing table or permission shows at the first use.
func New(c Config) (*Store, error) {
	switch {
	case c.Client == nil:
		return nil, errors.New("dynamostore: Config.Client is missing: make one with dynamodb.New and pass it")
	case c.Table == "":
		return nil, errors.New("dynamostore: Config.Table is missing: pass the name of the table")
	case c.RequestTimeout < 0:
		return nil, errors.New("dynamostore: Config.RequestTimeout is negative: leave it zero for 3 seconds")
	}
	s := &Store{client: c.Client, table: c.Table, timeout: c.RequestTimeout, now: c.Now}
	if s.timeout == 0 {
		s.timeout = defaultRequestTimeout
	}
	if s.now == nil {
		s.now = time.Now
	}
	return s, nil
}

func failed(what string, err error) error { return fmt.Errorf("dynamostore: %s: %w", what, err) }
