// Package dynamostore keeps Postern's items in a table of Amazon DynamoDB.
//
// The program makes the client, with its region, credentials, endpoint and HTTP client, and passes it to [New]:
//
//	client := dynamodb.New(dynamodb.Options{Region: region, Credentials: credentials})
//	st, err := dynamostore.New(dynamostore.Config{Client: client, Table: "auth"})
//
// This package does not link the config package of the AWS SDK, which is large and starts slowly. In a Lambda
// function, the environment has everything that the config package would find.
//
// # The table
//
// The package needs one table with the string keys pk (partition) and sk (sort), on demand or provisioned, and Time
// to Live on the number attribute expiry. [CreateTable] makes it for development. Its other attributes are ver, val,
// expires_ms and n.
//
// Time to Live only saves space: DynamoDB removes an item hours or days after it expires. In this package, reads and
// conditions treat an item as absent from the millisecond of its expiry. The caller's clock decides. So the attribute
// expiry is set a minute late: DynamoDB removes no item that is still alive for a function with a slow clock.
//
// # Consistency
//
// All reads are strongly consistent. One change is one conditional request; several changes are one transaction.
// Write the table in one region only. In a global table that is written in several regions, the last writer wins, so
// a link or code that was used in one region can be used again in another. A global table with strong consistency
// does not support transactions.
//
// # Retries
//
// The package repeats requests itself, with full jitter, for up to ten seconds or until the context ends. It turns
// off the retries of the client, because those do not distinguish a write that failed from a write that succeeded
// without an answer. If an answer is lost, the package looks for its own version in the table. If the result is still
// unknown, the error says this, and is never [store.ErrConflict]:
//
//   - a Put in place of another version is repeated; if its own version is in the table, it was applied
//   - a Put of an absent item is not repeated, because it could restore an item that another call deleted in the
//     meantime; the package only reads the item
//   - a Delete is repeated; if the version is gone by then, it is unknown which call deleted it, and the error says
//     this
//   - several changes are repeated with the same token, so that DynamoDB applies them once
//   - an Add is not repeated, because it could count twice
package dynamostore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/posternauth/postern/store"
)

// Client has the methods of a *dynamodb.Client that the store calls. A wrapper must pass on the options. They turn
// off the client's retries, which could report a successful Delete as a conflict, and they check that answers are
// complete.
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
	// Client sends the requests to DynamoDB: usually a *dynamodb.Client. Required.
	Client Client

	// Table is the name or the ARN of the table. Required. New does not check that it exists.
	Table string

	// RequestTimeout is how long one request may take before it counts as lost and, where that is safe, is repeated.
	// DynamoDB answers within milliseconds. But if a connection broke while a function was frozen, only the timeout
	// shows it. The HTTP client may have a shorter timeout.
	//
	// Defaults to 3 seconds.
	RequestTimeout time.Duration

	// Now is the clock that decides what has expired. Machines that share a table should agree on the time within a
	// minute.
	//
	// Defaults to time.Now.
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

// New makes a Store on a table. It sends no request, so a missing table or permission shows at the first use.
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
