package openapi

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"net/url"
	"time"
)

// shown returns the code that an app shows which has read the address of a key (RFC 6238).
func (v *town) shown(address string) string {
	v.Helper()
	u, err := url.Parse(address)
	if err != nil {
		v.Fatal(err)
	}
	seed, err := base32.StdEncoding.DecodeString(u.Query().Get("secret"))
	if err != nil {
		v.Fatal(err)
	}
	mac := hmac.New(sha1.New, seed)
	mac.Write(binary.BigEndian.AppendUint64(nil, uint64(v.Now().Unix()/30)))
	sum := mac.Sum(nil)
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[sum[19]&15:])&0x7fffffff%1_000_000)
}

// apps: a person sets up an authenticator app and recovery codes, signs in by both, and removes the app.
func apps(v *town) {
	const address = "app@example.com"
	c := v.signUp(address)
	c.must(200, "GET", "/factors/totp/status", nil)
	c.must(409, "POST", "/factors/totp/remove", nil)
	page := c.must(200, "GET", "/factors/totp/enroll", nil)
	seed, uri := page.hidden("seed"), page.json["args"].(object)["uri"].(string)
	c.must(400, "POST", "/factors/totp/enroll", object{"seed": seed, "code": "1"})
	c.must(200, "POST", "/factors/totp/enroll", object{"seed": seed, "code": v.shown(uri)})
	c.must(409, "GET", "/factors/totp/enroll", nil)
	c.must(200, "GET", "/factors/recovery/enroll", nil)
	codes := c.must(200, "POST", "/factors/recovery/enroll", nil)
	c.must(200, "POST", "/factors/recovery/download", object{"codes": codes.hidden("codes")})
	c.must(400, "POST", "/factors/recovery/download", object{"codes": "1"})
	c.must(200, "GET", "/factors/recovery/status", nil)
	v.Advance(time.Minute)
	enter := func() (*client, string) {
		c := v.client()
		page := c.must(200, "GET", "/password/authorize", nil)
		page = c.must(200, "POST", "/password/callback", object{"state": page.hidden("state"), "identifier": address, "password": good})
		return c, page.hidden("state")
	}
	c, state := enter()
	c.must(200, "GET", "/factors/totp/verify?state="+state, nil)
	c.must(400, "POST", "/factors/totp/verify", object{"state": state, "code": "000000"})
	c.must(200, "POST", "/factors/totp/verify", object{"state": state, "code": v.shown(uri)})
	c.must(405, "GET", "/factors/totp/remove", nil)
	c.must(200, "POST", "/factors/totp/remove", nil)

	page = c.must(200, "GET", "/factors/totp/enroll", nil)
	c.must(200, "POST", "/factors/totp/enroll", object{"seed": page.hidden("seed"), "code": v.shown(page.json["args"].(object)["uri"].(string))})
	c, state = enter()
	c.must(200, "GET", "/factors/recovery/verify?state="+state, nil)
	c.must(200, "POST", "/factors/recovery/verify", object{"state": state, "code": codes.json["lines"].([]any)[4].(object)["value"]})
	c.must(200, "POST", "/factors/recovery/download", object{"codes": codes.hidden("codes")})
	c.must(400, "POST", "/factors/recovery/download", object{"codes": "1"})
	c.must(200, "GET", "/factors/recovery/status", nil)
	v.Advance(11 * time.Minute)
	c.must(401, "GET", "/factors/totp/enroll", nil)
	c.must(401, "POST", "/factors/totp/enroll", object{"seed": "x", "code": "123456"})
	c.must(401, "POST", "/factors/totp/remove", nil)
}
