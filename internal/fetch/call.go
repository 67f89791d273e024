package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// A Response is an answer that was read completely.
type Response struct {
	Status int
	Header http.Header
	Body   string
}

// Get requests target and accepts JSON, unless header has another Accept. header is added to the request and may be
// nil. Any status is an answer, not an error. An error contains only the host of the URL.
func Get(ctx context.Context, c *http.Client, target string, header http.Header) (*Response, error) {
	return call(ctx, c, http.MethodGet, target, nil, header)
}

// PostJSON posts body, which is JSON. Otherwise it is like Get.
func PostJSON(ctx context.Context, c *http.Client, target string, body []byte, header http.Header) (*Response, error) {
	return call(ctx, c, http.MethodPost, target, &payload{"application/json", string(body)}, header)
}

// PostForm posts a form. Otherwise it is like Get.
func PostForm(ctx context.Context, c *http.Client, target string, form url.Values, header http.Header) (*Response, error) {
	return call(ctx, c, http.MethodPost, target, &payload{"application/x-www-form-urlencoded", form.Encode()}, header)
}

// payload is the body of a request and its media type.
type payload struct{ mediaType, text string }

func call(ctx context.Context, c *http.Client, method, target string, load *payload, header http.Header) (*Response, error) {
	if c.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.Timeout)
		defer cancel()
	}
	var body io.Reader
	if load != nil {
		body = strings.NewReader(load.text)
	}
	req, err := http.NewRequestWithContext(ctx, method, target, body)
	if err != nil {
		return nil, fmt.Errorf("%w: not a URL", ErrRefused) // err would contain it
	}
	for name, values := range header {
		req.Header[name] = values
	}
	if req.Header.Get("Accept") == "" {
		req.Header.Set("Accept", "application/json")
	}
	if load != nil {
		req.Header.Set("Content-Type", load.mediaType)
	}
	resp, err := c.Do(req)
	if err != nil {
		return nil, scrub(req, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil {
		// At a timeout a server may end its answer normally, so that half an answer looks complete. So an answer counts
		// only if it was complete in time.
		err = ctx.Err()
	}
	if err != nil {
		return nil, scrub(req, err)
	}
	return &Response{Status: resp.StatusCode, Header: resp.Header, Body: string(text)}, nil
}

// scrub removes the URL from an error of net/http, because a query can contain a secret.
func scrub(req *http.Request, err error) error {
	var ue *url.Error
	if errors.As(err, &ue) {
		err = ue.Err
	}
	return fmt.Errorf("%s %s: %w", req.Method, req.URL.Host, err)
}
