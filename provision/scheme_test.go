package provision_test

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/provision"
)

// The vectors of the senders' own documentation.
func TestSchemes_PublishedVectors(t *testing.T) {
	verify := func(s provision.Scheme, secret, body string, header map[string]string) (provision.Proof, error) {
		t.Helper()
		key, err := s.Key(secret)
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest("POST", "/", nil)
		for k, v := range header {
			r.Header.Set(k, v)
		}
		return s.Verify(r, []byte(body), [][]byte{key})
	}
	// docs.github.com, "Validating webhook deliveries", "Testing the webhook payload validation".
	_, err := verify(provision.GitHub(), "It's a Secret to Everybody", "Hello, World!", map[string]string{
		"X-Hub-Signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b04e17" + "f",
	})
	if err == nil {
		t.Error("GitHub: a wrong last digit passes")
	}
	want := hex.EncodeToString(mac("It's a Secret to Everybody", "Hello, World!"))
	if !strings.HasPrefix(want, "757107ea0eb2509fc211221cce984b8a") {
		t.Fatalf("not the published vector: %s", want)
	}
	if _, err := verify(provision.GitHub(), "It's a Secret to Everybody", "Hello, World!", map[string]string{"X-Hub-Signature-256": "sha256=" + want}); err != nil {
		t.Errorf("GitHub: %v", err)
	}
	// The test vector of the Standard Webhooks reference libraries.
	p, err := verify(provision.StandardWebhooks(), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", `{"test": 2432232314}`, map[string]string{
		"webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek", "webhook-timestamp": "1614265330",
		"webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
	})
	if err != nil || p.ID != "msg_p5jXN8AQM9LWM0D4loKWxJek" || !p.Time.Equal(time.Unix(1614265330, 0)) {
		t.Errorf("Standard Webhooks: %+v, %v", p, err)
	}
}

func TestStandardWebhooks_Hostile(t *testing.T) {
	raw := strings.Repeat("k", 32)
	s := "whsec_" + base64.StdEncoding.EncodeToString([]byte(raw))
	old := "whsec_" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("o", 32)))
	h := newHook(t, func(c *provision.WebhookConfig) {
		c.Scheme, c.Secrets = provision.StandardWebhooks(), []string{s, old}
	})
	body := paid("x", "ada@example.com", "course")
	at := fmt.Sprint(start.Unix())
	sign := func(key, id, at, body string) string {
		return "v1," + base64.StdEncoding.EncodeToString(mac(key, id, ".", at, ".", body))
	}
	request := func(id, at, signature string) *http.Request {
		r := httptest.NewRequest("POST", "/", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Webhook-Id", id)
		r.Header.Set("Webhook-Timestamp", at)
		r.Header.Set("Webhook-Signature", signature)
		return r
	}
	good := sign(raw, "msg_1", at, body)
	twice := request("msg_1", at, good)
	twice.Header.Add("Webhook-Signature", good)
	for name, tt := range map[string]struct {
		r    *http.Request
		want int
	}{
		"good":                      {request("msg_1", at, good), 200},
		"old secret of a rotation":  {request("msg_2", at, sign(strings.Repeat("o", 32), "msg_2", at, body)), 200},
		"two signatures, one right": {request("msg_3", at, "v1,AAAA v1a,zzzz "+sign(raw, "msg_3", at, body)), 200},
		"another key":               {request("msg_1", at, sign("another", "msg_1", at, body)), 401},
		"another id":                {request("msg_9", at, good), 401},
		"another time":              {request("msg_1", fmt.Sprint(start.Unix()+1), good), 401},
		"dot moved from id to body": {request("msg_1."+at, at, good), 401},
		"dot in a signed id":        {request("msg.1", at, sign(raw, "msg.1", at, body)), 401},
		"no signature":              {request("msg_1", at, ""), 401},
		"version alone":             {request("msg_1", at, "v1"), 401},
		"empty signature":           {request("msg_1", at, "v1,"), 401},
		"v1a is not v1":             {request("msg_1", at, strings.Replace(good, "v1,", "v1a,", 1)), 401},
		"the header twice":          {twice, 401},
		"time with a sign":          {request("msg_1", "+"+at, good), 401},
		"17 signatures":             {request("msg_1", at, strings.Repeat("v1,AAAA ", 16)+good), 401},
		"5 minutes and 1 s old":     {request("msg_4", fmt.Sprint(start.Unix()-301), sign(raw, "msg_4", fmt.Sprint(start.Unix()-301), body)), 401},
		"5 minutes old":             {request("msg_5", fmt.Sprint(start.Unix()-300), sign(raw, "msg_5", fmt.Sprint(start.Unix()-300), body)), 200},
		"a day old":                 {request("msg_6", fmt.Sprint(start.Unix()-86400), sign(raw, "msg_6", fmt.Sprint(start.Unix()-86400), body)), 401},
		"1 minute ahead":            {request("msg_7", fmt.Sprint(start.Unix()+60), sign(raw, "msg_7", fmt.Sprint(start.Unix()+60), body)), 200},
		"2 minutes ahead":           {request("msg_8", fmt.Sprint(start.Unix()+120), sign(raw, "msg_8", fmt.Sprint(start.Unix()+120), body)), 401},
	} {
		if status, got := do(h, tt.r); status != tt.want {
			t.Errorf("%s: %d %s, want %d", name, status, got, tt.want)
		}
	}
	for _, bad := range []string{"", "whsec_", "whsec_short", s[6:], "whsec_" + base64.StdEncoding.EncodeToString(make([]byte, 65)), "whsec_!!!!"} {
		if _, err := provision.StandardWebhooks().Key(bad); err == nil {
			t.Errorf("the secret %q is taken", bad)
		}
	}
}

func TestStripe_Hostile(t *testing.T) {
	h := newHook(t, func(c *provision.WebhookConfig) { c.Secrets = []string{"new-secret-of-the-rotation", secret} })
	body := paid("evt_1", "ada@example.com", "course")
	good := stripeRequest(body, start, secret).Header.Get("Stripe-Signature")
	with := func(value string) *http.Request {
		r := stripeRequest(body, start, secret)
		r.Header.Set("Stripe-Signature", value)
		return r
	}
	changed := stripeRequest(paid("evt_1", "mallory@example.com", "course"), start)
	changed.Header.Set("Stripe-Signature", good)
	spaced := stripeRequest(body+" ", start)
	spaced.Header.Set("Stripe-Signature", good)
	for name, tt := range map[string]struct {
		r    *http.Request
		want int
	}{
		"good":                     {with(good), 200},
		"old secret":               {stripeRequest(paid("evt_2", "ada@example.com", "course"), start, secret), 200},
		"new secret":               {stripeRequest(paid("evt_3", "ada@example.com", "course"), start, "new-secret-of-the-rotation"), 200},
		"both, while Stripe rolls": {stripeRequest(paid("evt_4", "ada@example.com", "course"), start, "gone-secret-of-the-past", secret), 200},
		"another body":             {changed, 401},
		"a space more":             {spaced, 401},
		"v0 of test mode":          {with(strings.Replace(good, "v1=", "v0=", 1)), 401},
		"no time":                  {with(good[strings.Index(good, ",")+1:]), 401},
		"two times":                {with("t=1," + good), 401},
		"upper case hex is hex":    {with(strings.Replace(strings.ToUpper(good), "T=", "t=", 1)), 401},
		"none":                     {with(""), 401},
		"garbage":                  {with("t=,v1=,=,,,"), 401},
		"old":                      {stripeRequest(body, start.Add(-6*time.Minute), secret), 401},
		"of next year":             {stripeRequest(body, start.AddDate(1, 0, 0), secret), 401},
	} {
		if status, got := do(h, tt.r); status != tt.want {
			t.Errorf("%s: %d %s, want %d", name, status, got, tt.want)
		}
	}
	if strings.Contains(h.log.String(), secret) || strings.Contains(h.log.String(), "ada@") {
		t.Errorf("the log has a secret or an address:\n%s", h.log)
	}
}

// GitHub signs no id, so a copy of a body with another X-GitHub-Delivery is the same delivery.
func TestGitHub_CopyWithAnotherID(t *testing.T) {
	h := newHook(t, func(c *provision.WebhookConfig) { c.Scheme = provision.GitHub() })
	body := paid("", "ada@example.com", "member")
	for i := range 3 {
		r := httptest.NewRequest("POST", "/", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("X-Hub-Signature-256", "sha256="+hex.EncodeToString(mac(secret, body)))
		r.Header.Set("X-GitHub-Delivery", fmt.Sprint(i))
		if status, got := do(h, r); status != 200 {
			t.Fatalf("%d %s", status, got)
		}
		h.clock.Advance(24 * time.Hour)
	}
	if calls, _ := h.users.counts(); calls != 1 {
		t.Errorf("applied %d times", calls)
	}
	for _, value := range []string{"", "sha1=aa", "sha256=", "sha256=zz", hex.EncodeToString(mac(secret, body))} {
		r := httptest.NewRequest("POST", "/", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("X-Hub-Signature-256", value)
		if status, _ := do(h, r); status != 401 {
			t.Errorf("%q: %d", value, status)
		}
	}
}
