package dynamostore

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/posternauth/postern/store"
)

const (
	patience  = 10 * time.Second      // with one call of the store
	firstWait = 25 * time.Millisecond // at most, before the first repetition; doubled for each further one
	longWait  = time.Second           // at most, before any
)

var (
	// errDoubt ends a call about which nobody can say whether it was applied.
	errDoubt = errors.New("no answer came, and the table does not show what became of it")
	// errUnprocessed is a batch that was answered in part.
	errUnprocessed = errors.New("DynamoDB left some of the keys unread: it is throttling")
	// errOtherWay is an Add that has to be done the other way.
	errOtherWay = errors.New("the counter was started anew by others, over and over")
)

// policy says after which failures a request is repeated.
type policy int

const (
	repeatRefused policy = iota // only when nothing was done
	repeatAll                   // also when it may have been done: the request is safe to repeat
)

// fate is what became of a request that failed.
type fate int

const (
	final   fate = iota // nothing was done, or the error is an answer; repeating it changes nothing
	refused             // nothing was done; repeating it later may help
	atOnce              // nothing was done; repeating it now may help
	unknown             // it may have been done
)

// patiently sends a request until it has an answer, is refused for good, or patience or the context ends. doubt is
// true when an earlier sending may have been applied without an answer.
func (s *Store) patiently(ctx context.Context, p policy, send func(ctx context.Context, doubt bool) error) (doubt bool, err error) {
	end := time.Now().Add(patience)
	var lost error // why the last answer did not come
	for wait := firstWait; ; wait = min(2*wait, longWait) {
		if gone := ctx.Err(); gone != nil {
			return doubt, because(gone, err)
		}
		err = s.sendOnce(ctx, doubt, send)
		if err == nil {
			return false, nil
		}
		pause := rand.N(wait)
		switch fateOf(err) {
		case final:
			if lost != nil && errors.Is(err, errDoubt) {
				err = fmt.Errorf("%w, after: %v", err, lost)
			}
			return doubt, err
		case unknown:
			doubt, lost = true, err
			if p == repeatRefused {
				return doubt, because(ctx.Err(), err)
			}
		case atOnce:
			pause = 0
		}
		if time.Now().Add(pause).After(end) {
			return doubt, fmt.Errorf("gave up after %v: %w", patience, err)
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
	}
}

func (s *Store) sendOnce(ctx context.Context, doubt bool, send func(context.Context, bool) error) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	return send(ctx, doubt)
}

// because puts the end of the context, if it has come, before the last failure.
func because(gone, err error) error {
	switch {
	case gone == nil:
		return err
	case err == nil:
		return gone
	}
	return fmt.Errorf("%w, after: %w", gone, err)
}

// inDoubt returns an error that says what a failed write may have left behind.
func inDoubt(doubt bool, err error) error {
	if !doubt {
		return err
	}
	return fmt.Errorf("it may have been applied, read and compare: %w", err)
}

func fateOf(err error) fate {
	var cancelled *types.TransactionCanceledException
	var inProgress *types.TransactionInProgressException
	var api smithy.APIError
	var response *smithyhttp.ResponseError
	var dial *net.OpError
	var unsent *smithyhttp.RequestSendError
	var unread *smithy.DeserializationError
	switch {
	case errors.Is(err, store.ErrConflict), errors.Is(err, errDoubt), errors.Is(err, errForeign):
		return final
	case errors.Is(err, errUnprocessed):
		return refused
	case errors.Is(err, errOtherWay):
		return atOnce
	case errors.As(err, &cancelled):
		return fateOfTransaction(cancelled)
	case errors.As(err, &inProgress): // an earlier sending of the same transaction is under way
		return unknown
	case errors.As(err, &api) && isThrottling(api.ErrorCode()):
		return refused
	case errors.As(err, &dial) && dial.Op == "dial":
		return refused
	case errors.As(err, &response): // its status is zero when nothing came
		return fateOfStatus(response.HTTPStatusCode(), errors.As(err, &unread))
	case errors.As(err, &unsent), errors.As(err, &unread), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return unknown
	}
	return final // it was not sent: no credentials, no endpoint
}

// fateOfStatus judges an answer that is not known by its code. DynamoDB says of its errors of the server that the
// request may have been applied.
func fateOfStatus(status int, torn bool) fate {
	switch {
	case status >= 500, status < 300, status == http.StatusRequestTimeout:
		return unknown
	case status == http.StatusTooManyRequests, torn:
		return refused
	}
	return final
}

// fateOfTransaction judges a cancelled transaction that failed no condition.
func fateOfTransaction(cancelled *types.TransactionCanceledException) fate {
	for _, reason := range cancelled.CancellationReasons {
		switch code := deref(reason.Code); {
		case code == "None", code == "", code == "TransactionConflict", isThrottling(code), isThrottling(code + "Exception"):
		case code == "ThrottlingError", code == "ProvisionedThroughputExceeded":
		default:
			return final
		}
	}
	return refused
}

// isThrottling reports whether a code means that nothing was done, and that later it might be.
func isThrottling(code string) bool {
	switch code {
	case "TransactionConflictException", "ReplicatedWriteConflictException":
		return true
	}
	_, ok := retry.DefaultThrottleErrorCodes[code]
	return ok
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
