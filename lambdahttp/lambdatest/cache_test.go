package lambdatest

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// TestCache_SameVerdict: an authorizer whose policy depends on the token alone gives each request the same status with
// the cache as without it. One that looks at the route does not, and the test would see it.
func TestCache_SameVerdict(t *testing.T) {
	byToken := func(_ context.Context, event []byte) ([]byte, error) {
		var in struct{ AuthorizationToken string }
		if err := json.Unmarshal(event, &in); err != nil {
			return nil, err
		}
		return []byte(policyResult(statements(strings.Split(in.AuthorizationToken, ",")...), "")), nil
	}
	paths := []string{"GET/a", "POST/b", "GET/p/x", "GET/p/x/y", "DELETE/p/*"}
	grants := []string{"Allow *", "Allow GET/*", "Allow */p/*", "Allow GET/a", "Deny GET/p/x", "Deny *", "Allow POST/?"}
	for name, tt := range map[string]struct {
		f      Func
		differ bool
	}{"by token": {byToken, false}, "echo": {echoing, true}} {
		t.Run(name, func(t *testing.T) {
			on, _ := api(t, Config{Type: REST}, &LambdaAuthorizer{Type: TokenAuthorizer, Function: tt.f})
			off, _ := api(t, Config{Type: REST}, &LambdaAuthorizer{Type: TokenAuthorizer, Function: tt.f, TTL: NoCache})
			rng, differ, seen := rand.New(rand.NewPCG(1, 2)), 0, map[int]int{}
			for range 2000 {
				token := grants[rng.IntN(len(grants))] + "," + grants[rng.IntN(len(grants))]
				method, path, _ := strings.Cut(paths[rng.IntN(len(paths))], "/")
				with := serve(on, request(method, "/prod/"+path, "", "Authorization: "+token)).StatusCode
				without := serve(off, request(method, "/prod/"+path, "", "Authorization: "+token)).StatusCode
				seen[without]++
				if with != without {
					differ++
					if !tt.differ {
						t.Fatalf("%s %s with %s: %d from the cache, %d without", method, path, token, with, without)
					}
				}
			}
			if tt.differ != (differ > 0) {
				t.Errorf("%d verdicts differ", differ)
			}
			if !tt.differ && (seen[200] < 100 || seen[403] < 100) {
				t.Error(fmt.Sprint("one-sided: ", seen))
			}
		})
	}
}
