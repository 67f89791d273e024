package authcode

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"github.com/posternauth/postern/internal/fetch"
	"github.com/posternauth/postern/internal/jose"
)

// Profile asks target for JSON with an access token (RFC 6750 section 2.1). The status is 200, or one of also, then
// without a body; any other is an error that people can be shown.
func Profile(ctx context.Context, c *http.Client, target, access string, also ...int) (body string, status int, err error) {
	const what = "profile request"
	resp, err := fetch.Get(ctx, c, target, http.Header{"Authorization": {"Bearer " + access}})
	switch {
	case err != nil:
		return "", 0, call(what, err)
	case slices.Contains(also, resp.Status):
		return "", resp.Status, nil
	case resp.Status != http.StatusOK:
		return "", 0, Status(what, resp.Status)
	}
	if err := jose.Valid(resp.Body); err != nil {
		return "", 0, Broken(fmt.Errorf("%s: %w", what, err))
	}
	return resp.Body, resp.Status, nil
}
