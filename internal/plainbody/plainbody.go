// Package plainbody keeps clients of AWS from losing an answer that comes early.
package plainbody

import (
	"context"
	"io"

	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// Add sends the body of a request without its WriteTo. It is an entry of the APIOptions of a client.
//
// The client of AWS closes the body of a request when the answer begins. net/http may then still be at the check that
// the body is not longer than announced. A closed WriteTo fails that check with io.EOF, and net/http closes the
// connection while the answer is being read: the error is "use of closed network connection", and what was asked for
// has been done (aws-sdk-go-v2 issue 2737). A closed Read passes the check.
func Add(stack *middleware.Stack) error {
	return stack.Deserialize.Add(layer{}, middleware.After)
}

type layer struct{}

func (layer) ID() string { return "Postern:PlainBody" }

func (layer) HandleDeserialize(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (
	middleware.DeserializeOutput, middleware.Metadata, error,
) {
	if request, ok := in.Request.(*smithyhttp.Request); ok {
		if body, ok := request.GetStream().(io.ReadSeeker); ok {
			plain, err := request.SetStream(struct{ io.ReadSeeker }{body})
			if err != nil {
				return middleware.DeserializeOutput{}, middleware.Metadata{}, err
			}
			in.Request = plain
		}
	}
	return next.HandleDeserialize(ctx, in)
}
