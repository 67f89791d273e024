package main

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base32"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/password/policy"
)

// mailedCode returns the code of the newest mail to an address.
func (d *demoSite) mailedCode(address string) string {
	d.Helper()
	_, list := page(d.T, browser(d.T), "GET", d.url+"/inbox.json?to="+address, nil)
	var mails []struct{ Code string }
	if err := json.Unmarshal([]byte(list), &mails); err != nil || len(mails) == 0 || mails[0].Code == "" {
		d.Fatalf("inbox: %v %s", err, list)
	}
	return mails[0].Code
}

// submit fills the form of a page whose action ends in a path, and returns what follows.
func (d *demoSite) submit(c *http.Client, body, action string, fields url.Values) (int, string) {
	d.Helper()
	for _, form := range regexp.MustCompile(`(?s)<form.*?</form>`).FindAllString(body, -1) {
		if to, values := fill(d.T, d.url, form, fields); strings.HasSuffix(strings.SplitN(to, "?", 2)[0], action) {
			return page(d.T, c, "POST", to, values)
		}
	}
	d.Fatalf("no form to %s:\n%s", action, body)
	return 0, ""
}

// password signs a new browser in by password, and returns the page that follows.
func (d *demoSite) password(address, password string) (*http.Client, string) {
	d.Helper()
	c := browser(d.T)
	_, body := page(d.T, c, "GET", d.url+"/auth/password/authorize", nil)
	_, body = d.submit(c, body, "/password/callback", url.Values{"identifier": {address}, "password": {password}})
	return c, body
}

// appCode is what an authenticator app shows for a key (RFC 6238).
func appCode(t *testing.T, key string, at time.Time) string {
	t.Helper()
	secret, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.ReplaceAll(key, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	m := hmac.New(sha1.New, secret)
	m.Write(binary.BigEndian.AppendUint64(nil, uint64(at.Unix()/30)))
	sum := m.Sum(nil)
	at4 := sum[sum[19]&15:]
	return fmt.Sprintf("%06d", (binary.BigEndian.Uint32(at4)&0x7fffffff)%1_000_000)
}

// TestDev_Everything: sign-up with a password, an app and its recovery codes, the account, and the administration, with
// nothing but what `dev` serves.
func TestDev_Everything(t *testing.T) {
	d := newDemoSite(t)
	const address, secret = "mary@example.com", "a lamp and two chairs"

	c := browser(t)
	_, body := page(t, c, "GET", d.url+"/auth/sign-up", nil)
	_, body = d.submit(c, body, "/sign-up", url.Values{"email": {address}})
	_, body = d.submit(c, body, "/sign-up/code", url.Values{"code": {d.mailedCode(address)}})
	status, body := d.submit(c, body, "/password/sign-up", url.Values{"password": {secret}})
	if status != 200 || !strings.Contains(body, "You are signed in") || !strings.Contains(body, address) {
		t.Fatalf("sign-up: %d\n%s", status, body)
	}

	t.Log("an app as the second factor")
	_, body = page(t, c, "GET", d.url+"/auth/factors/totp/enroll", nil)
	key := regexp.MustCompile(`(?:[A-Z2-7]{4} ){7}[A-Z2-7]{4}|[A-Z2-7]{32}`).FindString(body)
	_, body = d.submit(c, body, "/totp/enroll", url.Values{"code": {appCode(t, key, time.Now())}})
	if codes := regexp.MustCompile(`\b[0-9a-z]{4,5}-[0-9a-z]{4,5}`).FindAllString(strings.ToLower(body), -1); !strings.Contains(body, "recovery") && len(codes) < 8 {
		t.Errorf("no recovery codes are made or offered:\n%s", body)
	}
	other, body := d.password(address, secret)
	d.ahead.Add(int64(time.Minute)) // a code works once
	if strings.Contains(body, "You are signed in") {
		t.Fatal("a password alone signs in, with a factor")
	}
	if _, body = d.submit(other, body, "/totp/verify", url.Values{"code": {appCode(t, key, time.Now().Add(time.Minute))}}); !strings.Contains(body, "You are signed in") {
		t.Fatalf("with the app:\n%s", body)
	}
	if status, body := page(t, other, "GET", d.url+"/auth/account", nil); status != 200 || !strings.Contains(body, address) {
		t.Errorf("account: %d\n%s", status, body)
	}

	t.Log("the people that are there")
	kim, body := d.password("kim@example.com", readyPassword)
	if !strings.Contains(body, "You are signed in") || !strings.Contains(body, "Kim Reader") {
		t.Fatalf("kim:\n%s", body)
	}
	robin, body := d.password("robin@example.com", readyPassword)
	if !strings.Contains(body, "You are signed in") || !strings.Contains(body, "Robin Keeper") {
		t.Fatalf("robin:\n%s", body)
	}
	_, body = page(t, robin, "GET", d.url+"/auth/admin", nil)
	if status, body := d.submit(robin, body, "/admin/session", url.Values{}); status != 200 || !strings.Contains(body, "<h1>Users</h1>") {
		t.Fatalf("the button: %d\n%s", status, body)
	}
	if status, body := page(t, robin, "GET", d.url+"/auth/admin/users", nil); status != 200 || !strings.Contains(body, address) || !strings.Contains(body, "Kim Reader") {
		t.Errorf("the administration: %d\n%s", status, body)
	}
	t.Log("a deed of the administrator")
	_, body = page(t, robin, "GET", d.url+"/auth/admin/users?identifier=kim@example.com", nil)
	user := regexp.MustCompile(`/auth/admin/users/[a-z0-9]{20,}`).FindString(body)
	_, body = page(t, robin, "GET", d.url+user, nil)
	status, body = d.submit(robin, body, "/disable", url.Values{"reason": {"a try"}})
	if status != 200 || !strings.Contains(body, "The user is disabled and signed out everywhere.") {
		t.Fatalf("disabled: %d\n%s", status, body)
	}
	d.wantSignedOut(kim)
	if _, body := d.password("kim@example.com", readyPassword); strings.Contains(body, "You are signed in") || !strings.Contains(body, "disabled") {
		t.Errorf("a disabled person signs in:\n%s", body)
	}
	_, body = page(t, robin, "GET", d.url+user, nil)
	if status, body = d.submit(robin, body, "/enable", url.Values{}); status != 200 {
		t.Fatalf("enabled: %d\n%s", status, body)
	}
	if kim, body = d.password("kim@example.com", readyPassword); !strings.Contains(body, "You are signed in") {
		t.Fatalf("kim, who is enabled:\n%s", body)
	}
	if status, body := page(t, kim, "GET", d.url+"/auth/admin/users", nil); status == 200 || strings.Contains(body, address) {
		t.Errorf("the administration for an ordinary person: %d\n%s", status, body)
	}
}

// TestDev_Settings: usernames, a link and a code in one mail, the well-known paths, and the settings of the demo page.
func TestDev_Settings(t *testing.T) {
	d := newDemoSite(t)
	for path, want := range map[string]string{"change-password": "Change your password", "passkey-endpoints": d.url + "/auth/passkey/enroll"} {
		c, _ := d.password("kim@example.com", readyPassword)
		if status, body := page(t, c, "GET", d.url+"/.well-known/"+path, nil); status != 200 || !strings.Contains(body, want) {
			t.Errorf("%s: %d\n%s", path, status, body)
		}
	}
	if status, body := page(t, browser(t), "GET", d.url+"/.well-known/nothing", nil); status != 404 || !strings.Contains(body, "<html") {
		t.Errorf("another path: %d\n%s", status, body)
	}

	c := browser(t)
	_, body := page(t, c, "GET", d.url+"/auth/sign-up", nil)
	_, body = d.submit(c, body, "/sign-up", url.Values{"username": {"grace"}})
	if status, body := d.submit(c, body, "/password/sign-up", url.Values{"password": {"a lamp and two chairs"}}); status != 200 || !strings.Contains(body, "You are signed in") {
		t.Errorf("a username: %d\n%s", status, body)
	}

	c = browser(t)
	_, body = page(t, c, "GET", d.url+"/auth/both/authorize", nil)
	_, body = d.submit(c, body, "/both/authorize", url.Values{"email": {"both@example.com"}})
	if _, list := page(t, c, "GET", d.url+"/inbox.json?to=both@example.com", nil); !strings.Contains(list, "/auth/both/callback?") {
		t.Errorf("no link in the mail: %s", list)
	}
	if status, body := d.submit(c, body, "/both/callback", url.Values{"code": {d.mailedCode("both@example.com")}}); status != 200 || !strings.Contains(body, "You are signed in") {
		t.Errorf("the code beside the link: %d\n%s", status, body)
	}

	set := func(form url.Values) {
		t.Helper()
		if status, body := page(t, browser(t), "POST", d.url+"/settings", form); status != 200 || !strings.Contains(body, "The settings were saved.") ||
			strings.Count(body, " checked>") != len(form) {
			t.Fatalf("settings: %d\n%s", status, body)
		}
	}
	set(url.Values{"first": {"on"}})
	if _, body := page(t, browser(t), "GET", d.url+"/auth/authorize", nil); !strings.Contains(body, `name="identifier"`) || strings.Contains(body, `type="password"`) {
		t.Errorf("the address first:\n%s", body)
	}
	set(url.Values{"offer": {"on"}})
	if _, body := d.password("robin@example.com", readyPassword); !strings.Contains(body, "/passkey/offer") {
		t.Errorf("no offer:\n%s", body)
	}
	set(url.Values{"demand": {"on"}})
	if c, body := d.password("kim@example.com", readyPassword); strings.Contains(body, "You are signed in") {
		t.Errorf("no factor is demanded:\n%s", body)
	} else if _, body = d.submit(c, body, "/factors/code", url.Values{}); !strings.Contains(body, "one-time-code") {
		t.Errorf("no code was mailed:\n%s", body)
	} else if _, body = d.submit(c, body, "/factors/code", url.Values{"code": {d.mailedCode("kim@example.com")}}); !strings.Contains(body, "/factors/totp/enroll") {
		t.Errorf("none can be set up:\n%s", body)
	}
	set(url.Values{})
	if _, body := d.password("kim@example.com", readyPassword); !strings.Contains(body, "You are signed in") {
		t.Errorf("as before:\n%s", body)
	}

	req, err := http.NewRequestWithContext(t.Context(), "POST", d.url+"/settings", strings.NewReader("demand=on"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Sec-Fetch-Site", "cross-site")
	resp, err := browser(t).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if resp.Body.Close(); resp.StatusCode != http.StatusForbidden {
		t.Errorf("a form of another site: %d", resp.StatusCode)
	}
}

// TestDev_ReadyPeople: they are made once, one who was deleted stays deleted, and their password is good.
func TestDev_ReadyPeople(t *testing.T) {
	d := newDemoSite(t)
	ctx := t.Context()
	again := func() (names []string) {
		t.Helper()
		there, err := settle(ctx, d.house.dir, d.house.hasher, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range there {
			names = append(names, one.Name)
		}
		return names
	}
	if got := again(); !slices.Equal(got, []string{"Kim Reader", "Robin Keeper"}) {
		t.Errorf("people: %q", got)
	}
	n := 0
	for u, err := range d.house.dir.All(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; u.Name == "Kim Reader" {
			if err := d.house.dir.DeleteUser(ctx, u.ID); err != nil {
				t.Fatal(err)
			}
		}
	}
	if n != 2 {
		t.Errorf("%d people", n)
	}
	if got := again(); !slices.Equal(got, []string{"Robin Keeper"}) {
		t.Errorf("after one was deleted: %q", got)
	}
	good, err := policy.New(policy.Config{Names: []string{appName}})
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range residents {
		if err := good.Check(readyPassword, one.Name, one.Address); err != nil {
			t.Errorf("the password of %s: %v", one.Name, err)
		}
	}
}
