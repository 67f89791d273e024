package lambdatest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestAppSync_Result: what a result may be.
//
// Source: https://docs.aws.amazon.com/appsync/latest/devguide/security-authz.html#aws-lambda-authorization
func TestAppSync_Result(t *testing.T) {
	tests := []struct {
		name, out string
		err, want error
	}{
		{"yes", `{"isAuthorized":true}`, nil, nil},
		{"official sample", `{"isAuthorized":true,"resolverContext":{"banana":"very yellow","apple":"very green"}}`, nil, nil},
		{"no", `{"isAuthorized":false}`, nil, ErrUnauthorized},
		{"missing", `{}`, nil, ErrAuthorizer},
		{"null", `{"isAuthorized":null}`, nil, ErrAuthorizer},
		{"text", `{"isAuthorized":"true"}`, nil, ErrAuthorizer},
		{"not an object", `true`, nil, ErrAuthorizer},
		{"fails", "", errors.New("Unauthorized"), ErrAuthorizer},
		{"nested", `{"isAuthorized":true,"resolverContext":{"a":{}}}`, nil, ErrAuthorizer},
		{"list", `{"isAuthorized":true,"resolverContext":{"a":[1]}}`, nil, ErrAuthorizer},
		{"context is a list", `{"isAuthorized":true,"resolverContext":[]}`, nil, ErrAuthorizer},
		{"5 MB", `{"isAuthorized":true,"resolverContext":{"a":"` + strings.Repeat("x", maxAppSyncContext) + `"}}`, nil, ErrAuthorizer},
		{"ARN", `{"isAuthorized":true,"deniedFields":["arn:aws:appsync:us-east-1:123456789012:apis/a1b2c3d4e5/types/User/fields/email"]}`, nil, nil},
		{"bare field", `{"isAuthorized":true,"deniedFields":["email"]}`, nil, ErrAuthorizer},
		{"field is a number", `{"isAuthorized":true,"deniedFields":[1]}`, nil, ErrAuthorizer},
		{"ttl is text", `{"isAuthorized":true,"ttlOverride":"1"}`, nil, ErrAuthorizer},
		{"ttl is negative", `{"isAuthorized":true,"ttlOverride":-1}`, nil, ErrAuthorizer},
		{"ttl above an hour", `{"isAuthorized":true,"ttlOverride":3601}`, nil, ErrAuthorizer},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a, err := NewAppSync(AppSyncConfig{Function: &recorder{out: tt.out, err: tt.err}})
			if err != nil {
				t.Fatal(err)
			}
			grant, err := a.Authorize(t.Context(), AppSyncRequest{Token: "t"})
			if !errors.Is(err, tt.want) || (grant != nil) != (tt.want == nil) {
				t.Errorf("got %v and %v, want %v", grant, err, tt.want)
			}
		})
	}
}

func TestAppSync_Grant(t *testing.T) {
	f := &recorder{out: `{"isAuthorized":true,"resolverContext":{"s":"v","n":1,"b":true},"deniedFields":["User.email","arn:aws:appsync:us-east-1:123456789012:apis/a1b2c3d4e5/types/User/fields/phone"]}`}
	a, err := NewAppSync(AppSyncConfig{Function: f})
	if err != nil {
		t.Fatal(err)
	}
	grant, err := a.Authorize(t.Context(), AppSyncRequest{Token: "t", Query: "query Q { me }", Operation: "Q"})
	if err != nil {
		t.Fatal(err)
	}
	if got := asJSON(t, grant.ResolverContext); got != `{"b":"true","n":"1","s":"v"}` {
		t.Errorf("resolverContext %s", got)
	}
	if !grant.Denies("User", "email") || !grant.Denies("User", "phone") || grant.Denies("User", "name") || grant.Denies("Admin", "email") {
		t.Errorf("denied fields %v", grant.DeniedFields)
	}
	got, want := memberNames(f.last(t), ""), memberNames(sample(t, "appsync-lambda-auth-request.json"), "")
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("members %v, want %v", got, want)
	}
}

func TestAppSync_Cache(t *testing.T) {
	tests := []struct {
		ttl  time.Duration
		out  string
		keep time.Duration // 0: not kept
	}{
		{0, `{"isAuthorized":true}`, 300 * time.Second},
		{time.Minute, `{"isAuthorized":true}`, time.Minute},
		{time.Minute, `{"isAuthorized":true,"ttlOverride":10}`, 10 * time.Second},
		{time.Minute, `{"isAuthorized":true,"ttlOverride":0}`, 0},
		{NoCache, `{"isAuthorized":true}`, 0},
		{NoCache, `{"isAuthorized":true,"ttlOverride":10}`, 10 * time.Second},
		{0, `{"isAuthorized":false}`, 300 * time.Second},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.ttl, tt.out), func(t *testing.T) {
			f, c := &recorder{out: tt.out}, newClock()
			a, err := NewAppSync(AppSyncConfig{Function: f, TTL: tt.ttl, Now: c.Now})
			if err != nil {
				t.Fatal(err)
			}
			call := func(token string, want int) {
				t.Helper()
				before := f.calls()
				grant, err := a.Authorize(t.Context(), AppSyncRequest{Token: token})
				if err != nil && !errors.Is(err, ErrUnauthorized) {
					t.Fatal(err)
				}
				if f.calls() != want {
					t.Errorf("%d calls, want %d", f.calls(), want)
				}
				if grant != nil && grant.Cached != (f.calls() == before) {
					t.Errorf("Cached is %v", grant.Cached)
				}
			}
			call("t", 1)
			if tt.keep == 0 {
				call("t", 2)
				return
			}
			c.Advance(tt.keep - time.Second)
			call("t", 1)
			call("u", 2)
			c.Advance(time.Second)
			call("t", 3)
		})
	}
}

func TestAppSync_Token(t *testing.T) {
	f := &recorder{out: `{"isAuthorized":true}`}
	a, err := NewAppSync(AppSyncConfig{Function: f, IdentityValidation: `^a+$`})
	if err != nil {
		t.Fatal(err)
	}
	for token, want := range map[string]error{"": ErrUnauthorized, "b": ErrUnauthorized, strings.Repeat("a", 2049): ErrUnauthorized, strings.Repeat("a", 2048): nil} {
		before := f.calls()
		_, err := a.Authorize(t.Context(), AppSyncRequest{Token: token})
		if !errors.Is(err, want) || (f.calls() > before) != (want == nil) {
			t.Errorf("a token of %d: %v", len(token), err)
		}
		if err != nil && token != "" && strings.Contains(err.Error(), "aaa") {
			t.Errorf("the token is in the error: %v", err)
		}
	}
}

func TestNewAppSync_Refuses(t *testing.T) {
	f := Func(func(context.Context, []byte) ([]byte, error) { return nil, nil })
	for name, cfg := range map[string]AppSyncConfig{
		"no function": {},
		"TTL":         {Function: f, TTL: time.Hour + 1},
		"timeout":     {Function: f, Timeout: -1},
		"regexp":      {Function: f, IdentityValidation: "("},
	} {
		if _, err := NewAppSync(cfg); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}
