package fakeidp

import (
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"math/big"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// An AppleKey is the registered public key of a client at Apple, which proves itself by tokens it signs.
type AppleKey struct {
	TeamID, KeyID string
	Key           *ecdsa.PublicKey
}

// SetProfile makes change have the last word on every profile and UserInfo answer of the shapes of vendors; nil ends
// it.
func (p *IdP) SetProfile(change func(profile map[string]any)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.profile = change
}

// vendorClaims makes the claims of an ID token those of a vendor.
func (p *IdP) vendorClaims(claims map[string]any, g grant, f Faults) {
	claims["iss"] = p.vendorIssuer(g.shape, g.tenant)
	delete(claims, "azp")
	verified, hasEmail := claims["email_verified"].(bool)
	switch g.shape {
	case microsoft:
		// The address is the mail attribute of the directory, which says nothing of a proof.
		claims["tid"], claims["oid"], claims["ver"] = tid(g.tenant), "00000000-0000-0000-0000-"+g.user.Subject, "2.0"
		if !f.EmailVerifiedText {
			delete(claims, "email_verified")
		}
	case apple:
		delete(claims, "name") // comes by the browser, once
		delete(claims, "preferred_username")
		claims["nonce_supported"] = true
		if hasEmail {
			claims["email_verified"] = strconv.FormatBool(verified)
			claims["is_private_email"] = strconv.FormatBool(strings.HasSuffix(g.user.Email, "@privaterelay.appleid.com"))
		}
	case slack:
		claims["https://slack.com/team_id"], claims["https://slack.com/user_id"] = SlackTeam, g.user.Subject
		delete(claims, "preferred_username")
	case linkedIn:
		delete(claims, "nonce")
		if hasEmail {
			claims["email_verified"] = strconv.FormatBool(verified)
		}
	case cognito:
		claims["token_use"], claims["cognito:username"] = "id", g.user.Subject
	case keycloak:
		claims["typ"], claims["azp"] = "ID", g.client
	}
}

// serveVendorProfile answers for the access token.
func (p *IdP) serveVendorProfile(w http.ResponseWriter, r *http.Request, s shape, f Faults) {
	g, ok := p.bearer(r, s)
	if !ok {
		writeJSON(w, http.StatusUnauthorized, map[string]any{"error": map[string]any{"status": 401, "message": "Invalid access token"}})
		return
	}
	if r.Header.Get("User-Agent") == "" {
		writeJSON(w, http.StatusForbidden, map[string]string{"message": "a User-Agent is missing"})
		return
	}
	u := g.user
	if f.OtherSubject {
		u.Subject = "999"
	}
	if f.NoEmail {
		u.Email = ""
	}
	me := map[string]any{"id": u.Subject}
	all := me // what is answered
	switch s {
	case facebook:
		token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		if r.Form.Get("appsecret_proof") != p.appSecretProof(g.client, token) {
			writeJSON(w, http.StatusBadRequest, graphError("Invalid appsecret_proof provided in the API argument"))
			return
		}
		facebookUser(me, u, *g, strings.Split(r.Form.Get("fields"), ","))
	case spotify:
		me["display_name"], me["type"] = orNull(u.Name), "user"
		me["images"] = []map[string]any{{"url": u.Picture, "height": nil, "width": nil}}
		if g.has("user-read-email") {
			me["email"] = u.Email
		}
	case discord:
		me["username"], me["global_name"], me["avatar"] = u.login(), orNull(u.Name), "a1b2c3"
		if g.has("email") {
			me["email"], me["verified"] = orNull(u.Email), u.EmailVerified
		}
	case xTwitter:
		if !g.has("users.read") || !g.has("tweet.read") {
			writeJSON(w, http.StatusForbidden, map[string]any{"title": "Forbidden", "status": 403})
			return
		}
		me["name"], me["username"] = u.Name, u.login()
		if strings.Contains(r.Form.Get("user.fields"), "confirmed_email") && g.has("users.email") && u.Email != "" {
			me["confirmed_email"] = u.Email
		}
		all = map[string]any{"data": me}
	default:
		delete(me, "id")
		me["sub"] = u.Subject
		profile(me, *g, g.infoClaims, f)
		if verified, ok := me["email_verified"].(bool); ok && s == cognito {
			me["email_verified"] = strconv.FormatBool(verified)
		}
	}
	if f.NoSubject {
		delete(me, "id")
	}
	p.mu.Lock()
	change := p.profile
	p.mu.Unlock()
	if change != nil {
		change(me)
	}
	writeJSON(w, http.StatusOK, all)
}

// facebookUser answers with the fields that were asked for, as Graph does; id always.
func facebookUser(me map[string]any, u User, g grant, fields []string) {
	for _, field := range fields {
		switch {
		case field == "name":
			me["name"] = u.Name
		case field == "email" && g.has("email") && u.Email != "":
			me["email"] = u.Email
		case field == "picture":
			me["picture"] = map[string]any{"data": map[string]any{"url": u.Picture, "is_silhouette": false}}
		}
	}
}

func (p *IdP) appSecretProof(client, token string) string {
	p.mu.Lock()
	secret := p.clients[client].Secret
	p.mu.Unlock()
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(token))
	return hex.EncodeToString(mac.Sum(nil))
}

// graphError is the form of Facebook's errors.
func graphError(text string) map[string]any {
	return map[string]any{"error": map[string]any{"message": text, "type": "OAuthException", "code": 100}}
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// refuseVendorToken answers with an error in the manner of a vendor, if it has one.
func refuseVendorToken(w http.ResponseWriter, s shape, e tokenError) bool {
	switch s {
	case facebook:
		writeJSON(w, http.StatusBadRequest, graphError(e.text))
	case slack:
		code := map[string]string{"invalid_grant": "invalid_code", "invalid_client": "bad_client_secret"}[e.code]
		if code == "" {
			code = e.code
		}
		writeJSON(w, http.StatusOK, map[string]any{"ok": false, "error": code})
	default:
		return false
	}
	return true
}

// appleUser is the field of the form that comes with the first sign-in of somebody to a client, and with no other.
func (p *IdP) appleUser(g grant) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	key := g.client + " " + g.user.Subject
	if p.appleSeen[key] || !g.has("name") {
		return ""
	}
	p.appleSeen[key] = true
	first, last, _ := strings.Cut(g.user.Name, " ")
	user, err := json.Marshal(map[string]any{"name": map[string]string{"firstName": first, "lastName": last}, "email": g.user.Email})
	if err != nil {
		return ""
	}
	return string(user)
}

// maxAppleSecret is how long a client secret may be good for: "15777000 (6 months in seconds)".
const maxAppleSecret = 15_777_000 * time.Second

// appleSecret checks the token that a client of Apple proves itself by.
func (p *IdP) appleSecret(c Client, secret string) bool {
	parts := strings.Split(secret, ".")
	if c.Apple == nil || len(parts) != 3 {
		return false
	}
	var header struct{ Alg, Kid string }
	var claims struct {
		Iss, Aud, Sub string
		Iat, Exp      int64
	}
	for i, into := range []any{&header, &claims} {
		raw, err := b64.DecodeString(parts[i])
		if err != nil || json.Unmarshal(raw, into) != nil {
			return false
		}
	}
	sig, err := b64.DecodeString(parts[2])
	if err != nil || len(sig) != 64 {
		return false
	}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	now := p.config.Now().Unix()
	return header.Alg == "ES256" && header.Kid == c.Apple.KeyID && claims.Iss == c.Apple.TeamID && claims.Sub == c.ID &&
		claims.Aud == p.vendorURL(apple) && claims.Iat <= now && now < claims.Exp && claims.Exp-claims.Iat <= int64(maxAppleSecret/time.Second) &&
		ecdsa.Verify(c.Apple.Key, sum[:], new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:]))
}
