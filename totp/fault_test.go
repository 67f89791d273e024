package totp_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// A deed is one request that changes factors, and what is so if it is done.
type deed struct {
	// prepare returns the request, after what comes before it.
	prepare func(w *world, b *browser) func() *httptest.ResponseRecorder
	done    func(w *world) bool
	status  int
}

// rows reports which rows a user has, and how many codes.
func rows(w *world) (app bool, codes int) {
	w.t.Helper()
	items, err := w.store.Store.Get(w.t.Context(), w.row("ada", "totp"), w.row("ada", "recovery"))
	if err != nil {
		w.t.Fatal(err)
	}
	for _, item := range items {
		if item.Key == w.row("ada", "totp") {
			app = true
			continue
		}
		var row struct{ Codes []string }
		if err := json.Unmarshal(item.Value, &row); err != nil {
			w.t.Fatal(err)
		}
		codes = len(row.Codes)
	}
	return app, codes
}

var deeds = map[string]deed{
	"setup": {
		prepare: func(w *world, b *browser) func() *httptest.ResponseRecorder {
			b.signIn("ada")
			a := b.get("/factors/totp/enroll")
			seed, code := part(w.t, seedOf, a), appOf(w.t, a).code(w.Now())
			return func() *httptest.ResponseRecorder { return b.post("/factors/totp/enroll", "seed", seed, "code", code) }
		},
		done:   func(w *world) bool { app, _ := rows(w); return app },
		status: http.StatusOK,
	},
	"removal": {
		prepare: func(w *world, b *browser) func() *httptest.ResponseRecorder {
			b.enroll("ada")
			return func() *httptest.ResponseRecorder { return b.post("/factors/totp/remove") }
		},
		done:   func(w *world) bool { app, _ := rows(w); return !app },
		status: http.StatusOK,
	},
	"codes": {
		prepare: func(w *world, b *browser) func() *httptest.ResponseRecorder {
			b.enroll("ada")
			return func() *httptest.ResponseRecorder { return b.post("/factors/recovery/enroll") }
		},
		done:   func(w *world) bool { _, codes := rows(w); return codes == 10 },
		status: http.StatusOK,
	},
	"a code": {
		prepare: func(w *world, b *browser) func() *httptest.ResponseRecorder {
			app := b.enroll("ada")
			c := w.browser()
			st := c.waits("ada")
			b.Browser = c.Browser
			return func() *httptest.ResponseRecorder {
				return c.post("/factors/totp/verify", "state", st, "code", app.code(w.Now()))
			}
		},
		done:   nil, // by the session
		status: http.StatusSeeOther,
	},
	"a recovery code": {
		prepare: func(w *world, b *browser) func() *httptest.ResponseRecorder {
			b.enroll("ada")
			code := b.codes()[0]
			c := w.browser()
			st := c.waits("ada")
			b.Browser = c.Browser
			return func() *httptest.ResponseRecorder {
				return c.post("/factors/recovery/verify", "state", st, "code", code)
			}
		},
		done:   func(w *world) bool { _, codes := rows(w); return codes == 9 },
		status: http.StatusSeeOther,
	},
}

// TestM7_StoreFails: each call of the store fails once, and each write loses its answer once. The answer is 503 or that
// of the deed, nothing is half done, and the person comes in afterwards.
func TestM7_StoreFails(t *testing.T) {
	for name, d := range deeds {
		for _, lost := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/lost=%v", name, lost), func(t *testing.T) {
				refused := 0
				for n := 1; ; n++ {
					w := newWorld(t)
					b := w.browser()
					send := d.prepare(w, b)
					reached := false
					w.store.failing(func(call int, write bool) (before, after error) {
						if call != n {
							return nil, nil
						}
						reached = true
						if lost {
							return nil, errDown
						}
						return errDown, nil
					})
					a := send()
					w.store.failing(nil)
					if !reached {
						if n < 4 {
							t.Errorf("only %d calls", n)
						}
						break
					}
					in := b.session() != nil
					done := in
					if d.done != nil {
						done = d.done(w)
					}
					app, codes := rows(w)
					h := w.head("ada")
					if h.Factors["totp"] != map[bool]int{true: 1}[app] || h.Backups["recovery"] != codes {
						t.Errorf("call %d: %d, half done: %+v beside %v and %d codes", n, a.Code, h, app, codes)
					}
					switch {
					case a.Code == http.StatusServiceUnavailable:
						refused++
						if a.Header().Get("Retry-After") == "" {
							t.Errorf("call %d: no Retry-After", n)
						}
						if done && !lost && d.done == nil {
							t.Errorf("call %d: 503, and it is done", n)
						}
					case a.Code == d.status:
						if !done {
							t.Errorf("call %d: %d, and it is not done", n, a.Code)
						}
					case lost && (a.Code == http.StatusConflict || a.Code == http.StatusBadRequest || a.Code == http.StatusTooManyRequests):
					default:
						t.Errorf("call %d: %d\n%s", n, a.Code, style.ReplaceAllString(a.Body.String(), ""))
					}
					// Whatever happened, the account works: the person comes in and puts it in order.
					w.Advance(time.Hour)
					c := w.browser()
					if next := c.signIn("ada"); app != (c.session() == nil) {
						t.Errorf("call %d: afterwards %d to %s", n, next.Code, next.Header().Get("Location"))
					}
				}
				if refused == 0 && !lost {
					t.Error("no call failed the request")
				}
			})
		}
	}
}
