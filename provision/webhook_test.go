package provision_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/posternauth/postern/provision"
	"github.com/posternauth/postern/store"
)

func TestWebhook_Answers(t *testing.T) {
	send := func(change func(*http.Request), body string) *http.Request {
		r := stripeRequest(body, start, secret)
		change(r)
		return r
	}
	same := func(*http.Request) {}
	long := paid("evt", "ada@example.com", "course") + strings.Repeat(" ", 256<<10)
	for name, tt := range map[string]struct {
		r          *http.Request
		status     int
		body       string
		deliveries int
	}{
		"done":             {send(same, paid("1", "Ada@Example.com", "course")), 200, `{"status":"done"}`, 1},
		"another event":    {send(same, `{"id":"2","type":"test"}`), 200, `{"status":"ignored"}`, 0},
		"not POST":         {send(func(r *http.Request) { r.Method = "GET" }, "{}"), 405, "method_not_allowed", 0},
		"text":             {send(func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }, "{}"), 415, "unsupported_media_type", 0},
		"no type":          {send(func(r *http.Request) { r.Header.Del("Content-Type") }, "{}"), 415, "unsupported_media_type", 0},
		"multipart":        {send(func(r *http.Request) { r.Header.Set("Content-Type", "multipart/form-data; boundary=x") }, "{}"), 415, "unsupported_media_type", 0},
		"compressed":       {send(func(r *http.Request) { r.Header.Set("Content-Encoding", "gzip") }, "{}"), 415, "unsupported_media_type", 0},
		"too large":        {send(same, long), 413, "request_too_large", 0},
		"signed, not JSON": {send(same, `{"id":`), 400, "invalid_request", 0},
		"signed bad form":  {send(func(r *http.Request) { r.Header.Set("Content-Type", "application/x-www-form-urlencoded") }, "a=%zz"), 400, "invalid_request", 0},
		"JSON of a list":   {send(same, `[1]`), 422, "event_refused", 0},
		"a role beyond":    {send(same, paid("3", "ada@example.com", "admin")), 422, "event_refused", 0},
		"no role":          {send(same, paid("4", "ada@example.com", "")), 422, "event_refused", 0},
		"no address":       {send(same, paid("5", "", "course")), 422, "event_refused", 0},
		"two addresses":    {send(same, paid("6", "ada@example.com, eve@example.com", "course")), 422, "event_refused", 0},
		"name and address": {send(same, paid("7", "Ada <ada@example.com>", "course")), 422, "event_refused", 0},
		"homoglyph":        {send(same, paid("8", "аda@example.com", "course")), 422, "event_refused", 0},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHook(t, nil)
			status, body := do(h, tt.r)
			if status != tt.status || !strings.Contains(body, tt.body) {
				t.Errorf("%d %s, want %d %s", status, body, tt.status, tt.body)
			}
			if calls, _ := h.users.counts(); calls != tt.deliveries {
				t.Errorf("%d calls of Users, want %d", calls, tt.deliveries)
			}
			if tt.deliveries == 1 && len(h.users.roles["ada@example.com"]) != 1 {
				t.Errorf("the address is not canonical: %v", h.users.roles)
			}
		})
	}
}

func TestWebhook_DeliveredTwiceAppliedOnce(t *testing.T) {
	memory := &store.Memory{}
	h := newHook(t, func(c *provision.WebhookConfig) {
		c.Store, memory.Now = memory, c.Now
	})
	for i := range 5 {
		if status, body := do(h, stripeRequest(paid("evt_1", "ada@example.com", "course"), h.clock.Now(), secret)); status != 200 {
			t.Fatalf("delivery %d: %d %s", i, status, body)
		}
		h.clock.Advance(6 * 24 * time.Hour)
	}
	if calls, _ := h.users.counts(); calls != 1 {
		t.Errorf("applied %d times within Keep", calls)
	}
	h.clock.Advance(31 * 24 * time.Hour)
	if status, _ := do(h, stripeRequest(paid("evt_1", "ada@example.com", "course"), h.clock.Now(), secret)); status != 200 {
		t.Errorf("after Keep: %d", status)
	}
	if calls, changes := h.users.counts(); calls != 2 || changes != 1 {
		t.Errorf("after Keep: %d calls, %d changes", calls, changes)
	}
}

// 100 copies at the same time, on two servers with one store: one is applied, all get the same answer.
func TestWebhook_RacersGetTheSameAnswer(t *testing.T) {
	shared := &store.Memory{}
	users := &table{}
	var servers []http.Handler
	for range 2 {
		servers = append(servers, newHook(t, func(c *provision.WebhookConfig) { c.Store, c.Users = shared, users }))
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	answers := map[string]int{}
	gate := make(chan struct{})
	for i := range 100 {
		wg.Go(func() {
			<-gate
			status, body := do(servers[i%2], stripeRequest(paid("evt_1", "ada@example.com", "course"), start, secret))
			mu.Lock()
			defer mu.Unlock()
			answers[fmt.Sprint(status, body)]++
		})
	}
	close(gate)
	wg.Wait()
	if calls, _ := users.counts(); calls != 1 || len(answers) != 1 || answers["200{\"status\":\"done\"}\n"] != 100 {
		t.Errorf("applied %d times, answers %v", calls, answers)
	}
}

// A server dies at each of its store operations, before or after the store carried it out. The sender's next attempt,
// at another server, gets 200, and the change was made once.
func TestWebhook_CrashAnywhere(t *testing.T) {
	for _, half := range []bool{false, true} {
		died := 0
		for at := 1; ; at++ {
			shared, users := &store.Memory{}, &table{}
			sick := &mortal{Store: shared, dies: at, half: half}
			first := newHook(t, func(c *provision.WebhookConfig) {
				c.Store, c.Users, c.Timeout = sick, users, 50*time.Millisecond
			})
			request := func(now time.Time) *http.Request {
				return stripeRequest(paid("evt_1", "ada@example.com", "course"), now, secret)
			}
			status, _ := do(first, request(start))
			if status == 503 {
				died++
			} else if status != 200 {
				t.Fatalf("half=%v, died at %d: %d", half, at, status)
			}
			second := newHook(t, func(c *provision.WebhookConfig) { c.Store, c.Users = shared, users })
			second.clock.Set(start.Add(time.Hour))
			if status, body := do(second, request(start.Add(time.Hour))); status != 200 {
				t.Errorf("half=%v, died at %d: the next attempt got %d %s", half, at, status, body)
			}
			if calls, changes := users.counts(); changes != 1 || calls > 2 {
				t.Errorf("half=%v, died at %d: %d calls, %d changes", half, at, calls, changes)
			}
			if sick.n < at { // it did not die any more
				break
			}
		}
		if died < 3 {
			t.Errorf("half=%v: only %d deaths: the sweep is wrong", half, died)
		}
	}
}

// A failure of the users is 503, and the next attempt applies the delivery at once.
func TestWebhook_UsersFail(t *testing.T) {
	h := newHook(t, nil)
	for _, tt := range []struct {
		err    error
		status int
	}{{errDown, 503}, {provision.ErrUnverified, 503}, {fmt.Errorf("no: %w", provision.ErrRefused), 422}, {nil, 200}, {errDown, 200}} {
		h.users.fail = tt.err
		status, body := do(h, stripeRequest(paid("evt_1", "ada@example.com", "course"), start, secret))
		if status != tt.status {
			t.Errorf("%v: %d %s, want %d", tt.err, status, body, tt.status)
		}
		if strings.Contains(body, "database") {
			t.Errorf("the answer repeats the error: %s", body)
		}
	}
}

// The deed goes on if the sender hangs up, and a panic in it leaves the delivery to the next attempt.
func TestWebhook_SenderHangsUpAndPanics(t *testing.T) {
	h := newHook(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	h.users.enter = cancel
	if status, _ := do(h, stripeRequest(paid("evt_1", "ada@example.com", "course"), start, secret).WithContext(ctx)); status != 200 {
		t.Errorf("hung up: %d", status)
	}
	h.users.enter = func() { panic("a mistake in Users") }
	func() {
		defer func() { _ = recover() }()
		do(h, stripeRequest(paid("evt_2", "ada@example.com", "member"), start, secret))
	}()
	h.users.enter = nil
	h.clock.Advance(time.Minute)
	if status, _ := do(h, stripeRequest(paid("evt_2", "ada@example.com", "member"), h.clock.Now(), secret)); status != 200 {
		t.Errorf("after a panic: %d", status)
	}
	if _, changes := h.users.counts(); changes != 2 {
		t.Errorf("%d changes", changes)
	}
}

func TestWebhook_TokenAndConfirm(t *testing.T) {
	sold := map[string]string{"sale_1": "ada@example.com"}
	var down bool
	asked := 0
	h := newHook(t, func(c *provision.WebhookConfig) {
		c.Scheme = provision.Token(func(r *http.Request) string { return r.PathValue("token") })
		c.ID = func(e provision.Event) string { return e.Form.Get("sale_id") }
		c.Parse = func(e provision.Event) (provision.Grant, error) {
			if e.Form.Get("product_permalink") != "https://gum.co/course" {
				return provision.Grant{}, provision.ErrIgnored
			}
			return provision.Grant{Email: e.Form.Get("email"), Name: e.Form.Get("full_name"), Roles: []string{"course"}}, nil
		}
		c.Confirm = func(_ context.Context, e provision.Event, g provision.Grant) error {
			asked++
			if down {
				return errors.New("the shop is down")
			}
			if sold[e.ID] != g.Email {
				return provision.ErrRefused
			}
			return nil
		}
	})
	mux := http.NewServeMux()
	mux.Handle("POST /hooks/gumroad/{token}", h)
	ping := func(token string, form url.Values) int {
		r := httptest.NewRequest("POST", "/hooks/gumroad/"+token, strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		status, _ := do(mux, r)
		return status
	}
	sale := url.Values{"sale_id": {"sale_1"}, "product_permalink": {"https://gum.co/course"}, "email": {"ada@example.com"}, "full_name": {"Ada"}}
	invented := url.Values{"sale_id": {"sale_2"}, "product_permalink": {"https://gum.co/course"}, "email": {"mallory@example.com"}}
	stolen := url.Values{"sale_id": {"sale_1"}, "product_permalink": {"https://gum.co/course"}, "email": {"mallory@example.com"}}
	if got := ping("wrong-token-of-the-shop", sale); got != 401 || asked != 0 {
		t.Errorf("wrong token: %d", got)
	}
	if got := ping(secret, invented); got != 422 {
		t.Errorf("a sale that does not exist: %d", got)
	}
	if got := ping(secret, stolen); got != 422 {
		t.Errorf("the sale of another person: %d", got)
	}
	down = true
	if got := ping(secret, sale); got != 503 {
		t.Errorf("the shop is down: %d", got)
	}
	down = false
	for range 3 {
		if got := ping(secret, sale); got != 200 {
			t.Errorf("sale: %d", got)
		}
	}
	if calls, changes := h.users.counts(); calls != 1 || changes != 1 || asked != 4 {
		t.Errorf("%d calls, %d changes, %d questions", calls, changes, asked)
	}
}

func TestWebhook_Config(t *testing.T) {
	for name, change := range map[string]func(*provision.WebhookConfig){
		"no name":               func(c *provision.WebhookConfig) { c.Name = "" },
		"name with a colon":     func(c *provision.WebhookConfig) { c.Name = "a:b" },
		"no scheme":             func(c *provision.WebhookConfig) { c.Scheme = nil },
		"no store":              func(c *provision.WebhookConfig) { c.Store = nil },
		"no users":              func(c *provision.WebhookConfig) { c.Users = nil },
		"no parse":              func(c *provision.WebhookConfig) { c.Parse = nil },
		"no secret":             func(c *provision.WebhookConfig) { c.Secrets = nil },
		"empty secret":          func(c *provision.WebhookConfig) { c.Secrets = []string{""} },
		"short secret":          func(c *provision.WebhookConfig) { c.Secrets = []string{"whsec_test"} },
		"no roles":              func(c *provision.WebhookConfig) { c.Roles = nil },
		"role with a space":     func(c *provision.WebhookConfig) { c.Roles = []string{"a b"} },
		"negative window":       func(c *provision.WebhookConfig) { c.Window = -1 },
		"token without confirm": func(c *provision.WebhookConfig) { c.Scheme = provision.Token(func(*http.Request) string { return "" }) },
	} {
		c := provision.WebhookConfig{
			Name: "shop", Scheme: provision.Stripe(), Secrets: []string{secret}, Users: &table{}, Store: &store.Memory{},
			Roles: []string{"course"}, Parse: parse,
		}
		change(&c)
		if _, err := provision.Webhook(c); err == nil {
			t.Errorf("%s: no error", name)
		} else if strings.Contains(err.Error(), "whsec_") {
			t.Errorf("%s: the error has the secret: %v", name, err)
		}
	}
}
