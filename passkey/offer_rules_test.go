package passkey_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/session"
)

// TestOffer_Mail: a mailed code counts where it would do for a step-up. The notice comes before the passkey counts, and
// without it nothing is added.
func TestOffer_Mail(t *testing.T) {
	down := false
	w := newWorld(t, offering, func(o *options) {
		config := o.config
		o.config = func(c *postern.Config) {
			config(c)
			send := c.Mail
			c.Mail = func(ctx context.Context, m postern.Mail) error {
				if down {
					return postern.ErrMailUnavailable
				}
				return send(ctx, m)
			}
		}
	})
	first := w.browser()
	// The sign-up of a person who has a mailbox alone: with an invitation of mail they sign in for the first time.
	page := first.offered(first.withMail("ada@example.com"))
	first.post("/factors/later", "state", page.form("later").Hidden["state"]).want(200, app)
	b := w.browser()
	page = b.offered(b.withMail("ada@example.com"))
	credential := newDevice().make(t, page.form("").Data)
	down = true
	failed := b.fill(page, credential).want(503, "temporarily_unavailable")
	if failed.page.Step != "passkey.offer" || failed.form("later").URL == "" || w.head(w.user("ada@example.com")).Ways.Passkeys != 0 {
		t.Fatalf("without a notice: %s", failed.Body)
	}
	down = false
	b.fill(page, credential).want(200, "passkey.added")
	if n := w.notices("ada@example.com"); strings.Join(n, " ") != "passkey.added" {
		t.Errorf("notices %v", n)
	}

	w.person("eve@example.com") // a mailbox opens no account that has a password
	if to := w.browser().withMail("eve@example.com"); to != app {
		t.Errorf("offered after a mail, beside a password: %s", to)
	}
}

// TestOffer_Faults: whatever of the store fails, a sign-in ends as without an offer, or with one, and never without an
// answer. There is a fault after which it goes on without.
func TestOffer_Faults(t *testing.T) {
	without := 0
	for n := 1; n < 60; n++ {
		w := newWorld(t, offering)
		w.person("ada@example.com")
		b := w.browser()
		page := b.get("/password/authorize")
		failed := false
		w.store.failing(func(i int, _ byte) (before, after error) {
			if i == n {
				failed = true
				return errors.New("the store is away"), nil
			}
			return nil, nil
		})
		b.asPage()
		a := b.post("/password/callback", "state", page.form("").Hidden["state"], "identifier", "ada@example.com", "password", phrase)
		w.store.failing(nil)
		b.Header.Set("Accept", "application/json")
		switch signedIn := b.session() != nil; {
		case !failed:
			if without == 0 {
				t.Error("no fault is survived without an offer")
			}
			return
		case signedIn && a.Code != http.StatusSeeOther, !signedIn && a.Code == http.StatusSeeOther && !strings.Contains(a.Header().Get("Location"), "/password/"):
			t.Errorf("fault %d: %d %s, signed in %t", n, a.Code, a.Header().Get("Location"), signedIn)
		case signedIn && !isOffer(a.Header().Get("Location")):
			without++
		case !signedIn && a.Code != http.StatusServiceUnavailable:
			t.Errorf("fault %d: %d %s", n, a.Code, a.Body)
		}
	}
	t.Error("the sign-in does not end")
}

// appCode is what an authenticator app shows for the key on a page (RFC 6238).
func appCode(t testing.TB, page string, at time.Time) string {
	t.Helper()
	m := regexp.MustCompile(`secret=([A-Z2-7]{32})`).FindStringSubmatch(page)
	if m == nil {
		t.Fatalf("no key in %s", page)
	}
	seed, err := base32.StdEncoding.DecodeString(m[1])
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha1.New, seed)
	_ = binary.Write(mac, binary.BigEndian, at.Unix()/30)
	h := mac.Sum(nil)
	return fmt.Sprintf("%06d", (binary.BigEndian.Uint32(h[h[19]&15:])&0x7fffffff)%1_000_000)
}

// TestOffer_Factor: where the account has a second factor, the offer comes after it, also after a mail, and not in a
// browser that is remembered in its place.
func TestOffer_Factor(t *testing.T) {
	w := newWorld(t, offering)
	b := w.browser()
	u := b.signUpPassword("ada@example.com")
	page := b.get("/factors/totp/enroll")
	key := page.Body.String()
	f := page.form("")
	b.post(f.URL, "seed", f.Hidden["seed"], "code", appCode(t, key, w.Now())).want(200, "totp.added")
	if !w.head(u).Due() {
		t.Fatal("no factor is due")
	}
	w.Advance(time.Minute)
	b = w.browser()
	to := b.withMail("ada@example.com")
	if !strings.HasPrefix(to, issuer+"/factors/totp/verify?state=") || b.session() != nil {
		t.Fatalf("without the factor: %s", to)
	}
	state := b.get(to).form("").Hidden["state"]
	b.post("/passkey/offer", "state", state).want(400, "invalid_state") // the wait for the factor is no offer
	b.get("/passkey/offer?state="+state).want(400, "invalid_state")
	b.post("/factors/later", "state", state).want(400, "invalid_state")
	page = b.offered(b.navigate("/factors/totp/verify", "state", state, "code", appCode(t, key, w.Now()), "remember", "yes"))
	if to := b.withPassword("ada@example.com"); to != app {
		t.Errorf("a remembered browser is offered a passkey: %s", to)
	}
	if b.session() == nil {
		t.Error("no session")
	}
	b.fill(page, newDevice().make(t, page.form("").Data)).want(200, "passkey.added") // the first offer, young enough
	if h := w.head(u); h.Ways.Passkeys != 1 || !slices.Contains(w.notices("ada@example.com"), "passkey.added") {
		t.Errorf("%+v %v", h, w.notices("ada@example.com"))
	}
}

// TestOffer_Impersonation: an administrator who acts as a person is offered nothing, and adds nothing to an open offer.
func TestOffer_Impersonation(t *testing.T) {
	w := newWorld(t, offering)
	w.person("ada@example.com")
	b, boss := w.browser(), w.browser()
	boss.signUpPassword("boss@example.com")
	page := b.offered(b.withPassword("ada@example.com"))
	tokens, err := w.kind.Create(t.Context(), session.Grant[profile]{Subject: w.user("ada@example.com"), ActorSession: boss.session().ID, ActorPool: w.sessions.Issuer()})
	if err != nil {
		t.Fatal(err)
	}
	rec := httptest.NewRecorder()
	w.kind.SetCookies(rec, tokens)
	for _, k := range rec.Result().Cookies() {
		b.Cookies[k.Name] = k.Value
	}
	b.fill(page, newDevice().make(t, page.form("").Data)).want(200, app)
	if h := w.head(w.user("ada@example.com")); h.Ways.Passkeys != 0 {
		t.Errorf("an administrator added a passkey: %+v", h)
	}
}
