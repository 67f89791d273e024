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

// A Response is an answer that was read to its end.
type Response struct {
	Status int
	Header http.Header
	Body   string
}

// Get asks for JSON at target. header is added to the request and may be nil. Any status is an answer, not an error.
// An error never holds more of the URL than its host.
func Get(ctx context.Context, c *http.Client, target string, header http.Header) (*Response, error) {
	return call(ctx, c, http.MethodGet, target, nil, header)
}

// PostForm posts a form and asks for JSON. It is otherwise like Get.
func PostForm(ctx context.Context, c *http.Client, target string, form url.Values, header http.Header) (*Response, error) {
	return call(ctx, c, http.MethodPost, target, form, header)
}

func call(ctx context.Context, c *http.Client, method, target string, form url.Values, header http.Header) (*Response, error) {
	if c.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.Timeout)
		defer cancel()
	}
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	req, err := http.NewRequestWithContext(ctx, method, target, body)
	if err != nil {
		return nil, fmt.Errorf("%w: not a URL", ErrRefused) // err would repeat it
	}
	for name, values := range header {
		req.Header[name] = values
	}
	req.Header.Set("Accept", "application/json")
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := c.Do(req)
	if err != nil {
		return nil, scrub(req, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil {
		// A server that sees us hang up may end its answer in good order in the very last moment: half an answer that
		// looks whole. So an answer counts only if it was there in time.
		err = ctx.Err()
	}
	if err != nil {
		return nil, scrub(req, err)
	}
	return &Response{Status: resp.StatusCode, Header: resp.Header, Body: string(text)}, nil
}

// scrub takes the URL out of an error of net/http: a query can hold what no log may.
func scrub(req *http.Request, err error) error {
	var ue *url.Error
	if errors.As(err, &ue) {
		err = ue.Err
	}
	return fmt.Errorf("%s %s: %w", req.Method, req.URL.Host, err)
}
