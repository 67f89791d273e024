package fakeidp

import (
	"crypto/sha256"
	"encoding/binary"
	"net/http"
	"net/url"
	"strings"
)

// answerGitHub answers as GitHub's token endpoint does: form-encoded unless the client accepts JSON.
// https://docs.github.com/en/apps/oauth-apps/building-oauth-apps/authorizing-oauth-apps
func answerGitHub(w http.ResponseWriter, r *http.Request, answer url.Values) {
	if strings.Contains(r.Header.Get("Accept"), "application/json") {
		flat := map[string]string{}
		for name := range answer {
			flat[name] = answer.Get(name)
		}
		writeJSON(w, http.StatusOK, flat)
		return
	}
	w.Header().Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	_, _ = w.Write([]byte(answer.Encode()))
}

// refuseGitHub answers with GitHub's own codes, and with status 200.
func refuseGitHub(w http.ResponseWriter, r *http.Request, e tokenError) {
	code := e.code
	switch {
	case code == "invalid_client":
		code = "incorrect_client_credentials"
	case code == "invalid_grant" && strings.HasPrefix(e.text, "redirect_uri"):
		code = "redirect_uri_mismatch"
	case code == "invalid_grant":
		code = "bad_verification_code"
	}
	answerGitHub(w, r, url.Values{
		"error": {code}, "error_description": {e.text},
		"error_uri": {"https://docs.github.com/apps/managing-oauth-apps/troubleshooting-oauth-app-access-token-request-errors/"},
	})
}

// serveGitHubUser answers GET /user. The address is there only if the person made it public, which nobody here did.
func (p *IdP) serveGitHubUser(w http.ResponseWriter, r *http.Request, _ shape, f Faults) {
	g, ok := p.gitHubGrant(w, r)
	if !ok {
		return
	}
	id := g.user.gitHubID()
	if f.OtherSubject {
		id++
	}
	user := map[string]any{
		"login": g.user.login(), "id": id, "type": "User", "name": nil, "email": nil, "avatar_url": g.user.Picture,
		"html_url": "https://github.com/" + url.PathEscape(g.user.login()),
	}
	if g.user.Name != "" {
		user["name"] = g.user.Name
	}
	if f.NoSubject {
		delete(user, "id")
	}
	writeJSON(w, http.StatusOK, user)
}

// serveGitHubEmails answers GET /user/emails.
func (p *IdP) serveGitHubEmails(w http.ResponseWriter, r *http.Request, _ shape, f Faults) {
	g, ok := p.gitHubGrant(w, r)
	if !ok {
		return
	}
	if !g.has("user:email") && !g.has("user") {
		writeJSON(w, http.StatusNotFound, map[string]string{"message": "Not Found"})
		return
	}
	list := []map[string]any{}
	add := func(address string, primary, verified bool) {
		entry := map[string]any{"email": address, "primary": primary, "verified": verified && !f.EmailUnverified, "visibility": nil}
		switch {
		case f.EmailVerifiedText:
			entry["verified"] = "true"
		case f.NoEmailVerified:
			delete(entry, "verified")
		}
		if primary {
			entry["visibility"] = "private"
		}
		list = append(list, entry)
	}
	if !f.NoEmail {
		for _, more := range g.user.MoreEmails {
			add(more.Address, false, more.Verified)
		}
		if g.user.Email != "" {
			add(g.user.Email, true, g.user.EmailVerified)
		}
	}
	writeJSON(w, http.StatusOK, list)
}

func (p *IdP) gitHubGrant(w http.ResponseWriter, r *http.Request) (*grant, bool) {
	if r.Header.Get("User-Agent") == "" {
		writeJSON(w, http.StatusForbidden, map[string]string{"message": "Request forbidden by administrative rules. Please make sure your request has a User-Agent header"})
		return nil, false
	}
	g, ok := p.bearer(r, gitHub)
	if !ok {
		writeJSON(w, http.StatusUnauthorized, map[string]string{"message": "Bad credentials"})
	}
	return g, ok
}

func (u User) login() string {
	if u.Login != "" {
		return u.Login
	}
	local, _, _ := strings.Cut(u.Email, "@")
	return local
}

func (u User) gitHubID() int64 {
	if u.GitHubID != 0 {
		return u.GitHubID
	}
	sum := sha256.Sum256([]byte(u.Subject))
	return int64(binary.BigEndian.Uint32(sum[:4])) + 1
}
