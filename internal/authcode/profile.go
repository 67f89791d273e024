package authcode

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"github.com/posternauth/postern/internal/fetch"
	"github.com/posternauth/postern/internal/jose"
)

// Ask sends a GET request with an access token (RFC 6750 section 2.1) for one of the media types of accept. The status
// is 200 or one of also; any other status is an error that a page can show. what is the name of the request in errors.
func Ask(ctx context.Context, c *http.Client, what, target, access, accept string, also ...int) (*fetch.Response, error) {
	resp, err := fetch.Get(ctx, c, target, http.Header{"Authorization": {"Bearer " + access}, "Accept": {accept}})
	switch {
	case err != nil:
		return nil, call(what, err)
	case resp.Status != http.StatusOK && !slices.Contains(also, resp.Status):
		return nil, Status(what, resp.Status)
	}
	return resp, nil
}

// Profile reads JSON from target with an access token (RFC 6750 section 2.1). The status is 200, or one of also and
// then body is empty; any other status is an error that a page can show.
func Profile(ctx context.Context, c *http.Client, target, access string, also ...int) (body string, status int, err error) {
	const what = "profile request"
	resp, err := Ask(ctx, c, what, target, access, "application/json", also...)
	switch {
	case err != nil:
		return "", 0, err
	case slices.Contains(also, resp.Status):
		return "", resp.Status, nil
	}
	if err := jose.Valid(resp.Body); err != nil {
		return "", 0, Broken(fmt.Errorf("%s: %w", what, err))
	}
	return resp.Body, resp.Status, nil
}
