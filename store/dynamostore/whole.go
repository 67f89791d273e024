package dynamostore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/posternauth/postern/internal/plainbody"
)

// once are the options of every request: sent once, by a client that does not repeat it, and answered whole.
func once(o *dynamodb.Options) {
	o.Retryer = aws.NopRetryer{}
	o.RetryMaxAttempts = 0 // else the client wraps the retryer in another
	o.APIOptions = append(o.APIOptions, plainbody.Add, func(stack *middleware.Stack) error {
		return stack.Deserialize.Add(wholeAnswer{}, middleware.After)
	})
}

// wholeAnswer refuses an answer whose checksum is wrong, and one without a body. The client by itself only logs the
// first and takes the second for an item that is absent.
type wholeAnswer struct{}

const maxAnswer = 32 << 20 // twice the 16 MB that DynamoDB answers at most with

var errEmpty = errors.New("the answer is empty")

func (wholeAnswer) ID() string { return "Postern:WholeAnswer" }

func (wholeAnswer) HandleDeserialize(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (
	out middleware.DeserializeOutput, metadata middleware.Metadata, err error,
) {
	out, metadata, err = next.HandleDeserialize(ctx, in)
	if err != nil {
		return out, metadata, err
	}
	response, ok := out.RawResponse.(*smithyhttp.Response)
	if !ok || response.Body == nil {
		return out, metadata, &smithy.DeserializationError{Err: errEmpty}
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	_ = response.Body.Close() // what matters has been read
	if err == nil {
		err = checkAnswer(body, response.StatusCode, response.Header.Get("X-Amz-Crc32"))
	}
	if err != nil {
		return out, metadata, &smithy.DeserializationError{Err: err}
	}
	response.Body = io.NopCloser(bytes.NewReader(body))
	return out, metadata, nil
}

func checkAnswer(body []byte, status int, checksum string) error {
	if len(body) == 0 && (status < 300 || status == http.StatusBadRequest) {
		return errEmpty
	}
	if checksum == "" {
		return nil // moto and others leave it out at times; DynamoDB never does
	}
	want, err := strconv.ParseUint(checksum, 10, 32)
	if err != nil || crc32.ChecksumIEEE(body) != uint32(want) {
		return fmt.Errorf("the answer of %d bytes does not match its checksum", len(body))
	}
	return nil
}
