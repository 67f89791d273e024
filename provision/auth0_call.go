package provision

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/posternauth/postern/internal/fetch"
	"github.com/posternauth/postern/internal/text"
)

// errExists is the answer 409: a user with the address exists in the connection.
var errExists = errors.New("the user exists already")

// busyError is the answer 429.
type busyError struct{ after time.Duration }

func (e *busyError) Error() string {
	return fmt.Sprintf("Auth0 answered 429: too many requests, try again in %s", e.after.Round(time.Second))
}

// Limits of a call.
const (
	maxTries   = 3               // of one call, with the pauses that Auth0 asks for
	maxPause   = time.Hour       // that a Retry-After can name
	earlyToken = 2 * time.Minute // a token is renewed so long before it expires
)

// call calls the Management API and returns the body of a 2xx answer. It gets a token, and another one if the first is
// not accepted any more. It waits where Auth0 asks for a pause of at most MaxWait.
func (a *Auth0) call(ctx context.Context, method, path string, body any) (string, error) {
	var payload []byte
	if body != nil {
		var err error
		if payload, err = json.Marshal(body); err != nil {
			return "", fmt.Errorf("encode the request: %w", err)
		}
	}
	renewed, waited := false, time.Duration(0)
	for try := 1; ; try++ {
		token, err := a.token.get(ctx, a.c.Now, a.fetchToken)
		if err != nil {
			return "", err
		}
		header := http.Header{"Authorization": {"Bearer " + token}}
		var resp *fetch.Response
		if method == http.MethodGet {
			resp, err = fetch.Get(ctx, a.http, a.base+path, header)
		} else {
			resp, err = fetch.PostJSON(ctx, a.http, a.base+path, payload, header)
		}
		if err != nil {
			return "", err
		}
		switch {
		case resp.Status/100 == 2:
			return resp.Body, nil
		case resp.Status == http.StatusConflict:
			return "", errExists
		case resp.Status == http.StatusUnauthorized && !renewed:
			renewed = true
			a.token.drop(token)
		case resp.Status == http.StatusTooManyRequests:
			pause := a.pause(resp.Header)
			if waited += pause; try == maxTries || waited > a.c.MaxWait {
				return "", &busyError{pause}
			}
			if err := a.sleep(ctx, pause); err != nil {
				return "", &busyError{pause}
			}
		default:
			return "", refusal(resp)
		}
	}
}

// pause reads how long to wait: Retry-After in seconds, else X-RateLimit-Reset, the Unix time at which calls are
// possible again, else one second.
func (a *Auth0) pause(h http.Header) time.Duration {
	if n, err := strconv.ParseUint(h.Get("Retry-After"), 10, 31); err == nil {
		return min(time.Duration(n)*time.Second, maxPause)
	}
	if n, err := strconv.ParseInt(h.Get("X-RateLimit-Reset"), 10, 63); err == nil {
		return min(max(time.Unix(n, 0).Sub(a.c.Now()), 0), maxPause)
	}
	return time.Second
}

// refusal is the error for an answer that is not 2xx. Of its body it repeats only a code of plain words: a message of
// Auth0 can have the address or other data of the request.
func refusal(resp *fetch.Response) error {
	var body struct {
		Code  string `json:"errorCode"`
		Error string `json:"error"`
	}
	_ = json.Unmarshal([]byte(resp.Body), &body) // the status alone is a good error too
	code := body.Code
	if code == "" {
		code = body.Error
	}
	if len(code) > 60 || !text.Printable(code) || strings.Contains(code, "@") {
		code = ""
	}
	hint := ""
	switch resp.Status {
	case http.StatusUnauthorized:
		hint = ": check ClientID and ClientSecret"
	case http.StatusForbidden:
		hint = ": give the application read:users, create:users and update:users in the Management API"
	case http.StatusNotFound:
		hint = ": check Domain and the ids in Roles"
	}
	return fmt.Errorf("Auth0 answered %d %s%s", resp.Status, code, hint)
}

// fetchToken gets a token with the client credentials (RFC 6749 section 4.4).
func (a *Auth0) fetchToken(ctx context.Context) (token string, life time.Duration, err error) {
	resp, err := fetch.PostForm(ctx, a.http, a.base+"/oauth/token", url.Values{
		"grant_type": {"client_credentials"}, "client_id": {a.c.ClientID}, "client_secret": {a.c.ClientSecret}, "audience": {a.base + "/api/v2/"},
	}, nil)
	if err != nil {
		return "", 0, fmt.Errorf("get a token: %w", err)
	}
	if resp.Status == http.StatusTooManyRequests {
		return "", 0, &busyError{a.pause(resp.Header)}
	}
	if resp.Status != http.StatusOK {
		return "", 0, fmt.Errorf("get a token: %w", refusal(resp))
	}
	var got struct {
		Token   string `json:"access_token"`
		Type    string `json:"token_type"`
		Expires int64  `json:"expires_in"`
	}
	if json.Unmarshal([]byte(resp.Body), &got) != nil || got.Token == "" || !text.Visible(got.Token) || !strings.EqualFold(got.Type, "Bearer") {
		return "", 0, errors.New("get a token: the answer has no bearer token")
	}
	// A token without a usable life is used once.
	return got.Token, time.Duration(min(max(got.Expires, 0), 30*24*3600)) * time.Second, nil
}

// tokenCache keeps one token until shortly before it expires. Parallel callers share one request for a new one: a
// tenant has a monthly quota of tokens.
type tokenCache struct {
	mu    sync.Mutex
	token string
	until time.Time
	now   *tokenCall // the request that is under way; nil if there is none
}

// tokenCall is a request for a token. The fields are set before done is closed.
type tokenCall struct {
	done     chan struct{}
	token    string
	err      error
	deserted bool // the caller went away, so that err is no answer for the others
}

type tokenSource func(ctx context.Context) (token string, life time.Duration, err error)

func (t *tokenCache) get(ctx context.Context, now func() time.Time, fetch tokenSource) (string, error) {
	for {
		t.mu.Lock()
		if t.token != "" && now().Before(t.until) {
			defer t.mu.Unlock()
			return t.token, nil
		}
		call := t.now
		if call == nil {
			call = &tokenCall{done: make(chan struct{}), deserted: true}
			t.now = call
			t.mu.Unlock()
			t.renew(ctx, now, fetch, call)
			return call.token, call.err
		}
		t.mu.Unlock()
		select {
		case <-call.done:
			if !call.deserted {
				return call.token, call.err
			}
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
}

func (t *tokenCache) renew(ctx context.Context, now func() time.Time, fetch tokenSource, call *tokenCall) {
	began, life := now(), time.Duration(0)
	defer func() { // also if fetch panics: no caller may wait for ever
		t.mu.Lock()
		defer t.mu.Unlock()
		t.now = nil
		if call.err == nil && call.token != "" {
			t.token, t.until = call.token, began.Add(life-min(earlyToken, life/2))
		}
		close(call.done)
	}()
	call.token, life, call.err = fetch(ctx)
	call.deserted = ctx.Err() != nil && call.err != nil
}

// drop forgets a token that is not accepted, unless another caller has renewed it already.
func (t *tokenCache) drop(token string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.token == token {
		t.token = ""
	}
}
