package dynamostore_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/store/dynamostore"
)

// scripted is a client without a network. It answers a request with the next of its answers, and with the last of them
// for ever. A nil answer is an empty success.
type scripted struct {
	dynamostore.Client // panics on what a test does not expect
	answers            []error
	at                 []time.Time
	tokens             []string
	asked              []int // keys of each BatchGetItem
}

func (c *scripted) next(ctx context.Context) error {
	n := min(len(c.at), len(c.answers)-1)
	c.at = append(c.at, time.Now())
	if err := ctx.Err(); err != nil {
		return err
	}
	return c.answers[n]
}

func (c *scripted) PutItem(ctx context.Context, _ *dynamodb.PutItemInput, _ ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error) {
	return &dynamodb.PutItemOutput{}, c.next(ctx)
}

func (c *scripted) TransactWriteItems(ctx context.Context, in *dynamodb.TransactWriteItemsInput, _ ...func(*dynamodb.Options)) (*dynamodb.TransactWriteItemsOutput, error) {
	c.tokens = append(c.tokens, *in.ClientRequestToken)
	return &dynamodb.TransactWriteItemsOutput{}, c.next(ctx)
}

// BatchGetItem reads one key of each request and leaves the others.
func (c *scripted) BatchGetItem(ctx context.Context, in *dynamodb.BatchGetItemInput, _ ...func(*dynamodb.Options)) (*dynamodb.BatchGetItemOutput, error) {
	out := &dynamodb.BatchGetItemOutput{Responses: map[string][]map[string]types.AttributeValue{}, UnprocessedKeys: map[string]types.KeysAndAttributes{}}
	for table, want := range in.RequestItems {
		if !aws.ToBool(want.ConsistentRead) {
			return nil, errors.New("the read is not consistent")
		}
		c.asked = append(c.asked, len(want.Keys))
		item := map[string]types.AttributeValue{"ver": &types.AttributeValueMemberS{Value: "v"}}
		for name, value := range want.Keys[0] {
			item[name] = value
		}
		out.Responses[table] = append(out.Responses[table], item)
		if len(want.Keys) > 1 {
			want.Keys = want.Keys[1:]
			out.UnprocessedKeys[table] = want
		}
	}
	return out, c.next(ctx)
}

func scriptedStore(t *testing.T, c *scripted) *dynamostore.Store {
	t.Helper()
	s, err := dynamostore.New(dynamostore.Config{Client: c, Table: "t"})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var (
	throttled   = &types.ProvisionedThroughputExceededException{Message: aws.String("slow down")}
	serverError = &smithyhttp.ResponseError{Response: &smithyhttp.Response{Response: &http.Response{StatusCode: 500}}, Err: &smithy.GenericAPIError{Code: "InternalServerError"}}
)

func cancelledFor(codes ...string) error {
	err := &types.TransactionCanceledException{}
	for _, code := range codes {
		err.CancellationReasons = append(err.CancellationReasons, types.CancellationReason{Code: aws.String(code)})
	}
	return err
}

var replace = store.Put(store.Item{Key: store.Key{Part: "p", ID: "a"}, Version: "old"})

// Throttling without end is given up after ten seconds, with pauses that grow to a second at most.
func TestPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &scripted{answers: []error{throttled}}
		began := time.Now()
		err := scriptedStore(t, c).Write(t.Context(), replace)
		if took := time.Since(began); took < 8*time.Second || took > 10*time.Second {
			t.Errorf("gave up after %v, want about 10 s", took)
		}
		if !errors.Is(err, throttled) || errors.Is(err, store.ErrConflict) || strings.Contains(err.Error(), "may have been applied") {
			t.Errorf("%v, want the throttling and no doubt", err)
		}
		longest := time.Duration(0)
		for i := range c.at[1:] {
			longest = max(longest, c.at[i+1].Sub(c.at[i]))
		}
		if n := len(c.at); n < 12 || n > 100 || longest > time.Second || longest < 250*time.Millisecond {
			t.Errorf("%d requests, the longest pause %v", n, longest)
		}
	})
}

// Many that are throttled together do not come back together: the first pauses of 100 writers differ.
func TestPatience_Jitter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pauses := map[time.Duration]bool{}
		for range 100 {
			c := &scripted{answers: []error{throttled, nil}}
			if err := scriptedStore(t, c).Write(t.Context(), replace); err != nil {
				t.Fatal(err)
			}
			pause := c.at[1].Sub(c.at[0])
			if pause >= 25*time.Millisecond {
				t.Errorf("a first pause of %v", pause)
			}
			pauses[pause] = true
		}
		if len(pauses) < 90 {
			t.Errorf("%d different pauses of 100", len(pauses))
		}
	})
}

// The end of the context ends a call at once, and the error says so and what came before.
func TestPatience_Context(t *testing.T) {
	for _, tc := range []struct {
		name   string
		answer error
		doubt  bool
	}{{"throttled", throttled, false}, {"server error", serverError, true}} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
				defer cancel()
				began := time.Now()
				err := scriptedStore(t, &scripted{answers: []error{tc.answer}}).Write(ctx, replace)
				if took := time.Since(began); took != 2*time.Second {
					t.Errorf("it took %v, want 2 s", took)
				}
				if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, tc.answer) {
					t.Errorf("%v, want the end of the context and what came before it", err)
				}
				if strings.Contains(err.Error(), "may have been applied") != tc.doubt {
					t.Errorf("doubt: %v", err)
				}
			})
		})
	}
}

// A batch that comes in parts is put together, asking only for what is missing.
func TestUnprocessedKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &scripted{answers: []error{nil}}
		keys := []store.Key{{Part: "p", ID: "a"}, {Part: "q", ID: "b"}, {Part: "p", ID: "c"}}
		items, err := scriptedStore(t, c).Get(t.Context(), keys...)
		if err != nil || len(items) != 3 {
			t.Fatalf("Get: %v, %v", items, err)
		}
		for i, it := range items {
			if it.Key != keys[i] {
				t.Errorf("item %d is %v, want %v", i, it.Key, keys[i])
			}
		}
		if len(c.asked) != 3 || c.asked[0] != 3 || c.asked[1] != 2 || c.asked[2] != 1 {
			t.Errorf("asked for %v keys, want 3, 2, 1", c.asked)
		}
	})
}

// Reasons of a cancelled transaction: which end it, which have it sent again, and under which token.
func TestT2_CancelledTransactions(t *testing.T) {
	for _, tc := range []struct {
		name      string
		answers   []error
		want      error // nil: success. Otherwise matched with errors.Is
		requests  int
		oneTokens bool // every sending had the same token
	}{
		{"conflict", []error{cancelledFor("None", "ConditionalCheckFailed")}, store.ErrConflict, 1, true},
		{"conflict among others", []error{cancelledFor("TransactionConflict", "ConditionalCheckFailed")}, store.ErrConflict, 1, true},
		{"meets another", []error{cancelledFor("TransactionConflict", "None"), nil}, nil, 2, false},
		{"throttled", []error{cancelledFor("None", "ThrottlingError"), cancelledFor("ProvisionedThroughputExceeded", "None"), nil}, nil, 3, false},
		{"unknown outcome", []error{serverError, nil}, nil, 2, true},
		{"in progress", []error{serverError, &types.TransactionInProgressException{}, nil}, nil, 3, true},
		{"unknown outcome, then meets another", []error{serverError, cancelledFor("None", "TransactionConflict"), nil}, nil, 3, true},
		{"invalid", []error{cancelledFor("None", "ValidationError")}, errAny, 1, true},
		{"too large a collection", []error{cancelledFor("ItemCollectionSizeLimitExceeded", "TransactionConflict")}, errAny, 1, true},
		{"unknown outcome, then a conflict", []error{serverError, cancelledFor("None", "ConditionalCheckFailed")}, errAny, 2, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := &scripted{answers: tc.answers}
				err := scriptedStore(t, c).Write(t.Context(), replace, store.Delete(store.Key{Part: "p", ID: "b"}, "old"))
				switch {
				case tc.want == errAny && (err == nil || errors.Is(err, store.ErrConflict)):
					t.Errorf("%v, want an error other than a conflict", err)
				case tc.want != errAny && !errors.Is(err, tc.want):
					t.Errorf("%v, want %v", err, tc.want)
				}
				if len(c.tokens) != tc.requests {
					t.Fatalf("%d requests, want %d", len(c.tokens), tc.requests)
				}
				same := true
				for _, token := range c.tokens {
					same = same && token == c.tokens[0]
					if len(token) < 20 || len(token) > 36 {
						t.Errorf("a token of %d bytes", len(token))
					}
				}
				if same != tc.oneTokens {
					t.Errorf("tokens %q", c.tokens)
				}
			})
		})
	}
}

var errAny = errors.New("any error but a conflict")

// What cannot be helped by waiting is not repeated.
func TestFinalErrors(t *testing.T) {
	for name, answer := range map[string]error{
		"no table":       &types.ResourceNotFoundException{Message: aws.String("no table")},
		"not allowed":    &smithyhttp.ResponseError{Response: &smithyhttp.Response{Response: &http.Response{StatusCode: 400}}, Err: &smithy.GenericAPIError{Code: "AccessDeniedException"}},
		"no credentials": errors.New("no credentials"),
	} {
		t.Run(name, func(t *testing.T) {
			c := &scripted{answers: []error{answer}}
			if err := scriptedStore(t, c).Write(t.Context(), replace); !errors.Is(err, answer) || len(c.at) != 1 {
				t.Errorf("%v after %d requests", err, len(c.at))
			}
		})
	}
}
