package postern_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/session"
)

// visit is get with a context that the test cancels, as net/http does when a client closes its connection.
func (b *browser) visit(ctx context.Context, target string) *httptest.ResponseRecorder {
	return b.do(httptest.NewRequest(http.MethodGet, target, nil).WithContext(ctx))
}

// Clients that go away before the answer have cost as much as others: their failures count.
func TestD3_FailuresOfClientsThatLeave(t *testing.T) {
	var leave context.CancelFunc
	v := newWorld(t, func(_ *world, _ *session.Config, c *postern.Config) {
		c.Providers["door"] = door{hits: func() { leave() }}
	})
	b := v.browser()
	for i := range 101 {
		var ctx context.Context
		ctx, leave = context.WithCancel(t.Context())
		want := map[bool]int{true: 403, false: 429}[i < 100]
		w := b.visit(ctx, callback("door", b.begin("door"))+"&error=no")
		if leave(); w.Code != want {
			t.Fatalf("client %d: %d, want %d", i, w.Code, want)
		}
	}
}

// A fault of the server is logged as an error, not as a refusal.
func TestFault_IsLoggedAsError(t *testing.T) {
	v := newWorld(t, func(_ *world, _ *session.Config, c *postern.Config) {
		c.Providers["door"] = door{identity: func(*http.Request) postern.Identity { return postern.Identity{} }}
	})
	b := v.browser()
	if w := b.get(callback("door", b.begin("door"))); w.Code != 500 || !strings.Contains(v.Log.String(), `"level":"ERROR"`) {
		t.Errorf("%d, log %s", w.Code, v.Log.String())
	}
}

// People whose browsers close the connection when the sign-in is done have not left a form behind: nobody behind their
// address is refused.
func TestD3_FormsOfPeopleWhoLeave(t *testing.T) {
	var leave context.CancelFunc
	v := newWorld(t, func(_ *world, _ *session.Config, c *postern.Config) {
		ok := c.OnSuccess
		c.OnSuccess = func(w http.ResponseWriter, r *http.Request, in *postern.SignIn) error {
			defer leave()
			return ok(w, r, in)
		}
	})
	for i := range 300 {
		b := v.browser()
		step := b.answered("post", b.begin("post"))
		var ctx context.Context
		ctx, leave = context.WithCancel(t.Context())
		w := b.visit(ctx, step)
		if leave(); w.Code != 303 {
			t.Fatalf("person %d: %d %s", i, w.Code, w.Body)
		}
	}
}
