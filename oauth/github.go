package oauth

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/authcode"
)

// GitHub signs in with an account of GitHub, or of a GitHub Enterprise Server, by an OAuth app or a GitHub App.
//
// The subject is the numeric id of the account: a login name can be given up and taken by somebody else. The issuer is
// https://github.com. The one address is the primary one of /user/emails, and it is Verified if GitHub says so there:
// GitHub sends a mail to it for that. The address of the public profile is never looked at.
//
// Scopes defaults to user:email. A GitHub App has permissions instead of scopes: without "Email addresses: read" the
// identity has no address.
//
// For an Enterprise Server set Issuer to its URL, such as "https://github.example.com": the endpoints follow from it,
// the API at /api/v3. Where they don't, as on ghe.com, set Endpoint too.
//
// Its ways: errors of the token endpoint come with status 200, scopes are separated by commas, the client secret is
// taken in the body only, and callbacks carry iss = {Issuer}/login/oauth, older servers none.
func GitHub(c Config) *Provider {
	c.Mark = cmp.Or(c.Mark, "github")
	c.Issuer = strings.TrimSuffix(cmp.Or(c.Issuer, "https://github.com"), "/")
	c.Endpoint.AuthURL = cmp.Or(c.Endpoint.AuthURL, c.Issuer+"/login/oauth/authorize")
	c.Endpoint.TokenURL = cmp.Or(c.Endpoint.TokenURL, c.Issuer+"/login/oauth/access_token")
	c.Endpoint.Issuer = cmp.Or(c.Endpoint.Issuer, c.Issuer+"/login/oauth")
	api := c.Issuer + "/api/v3"
	if c.Issuer == "https://github.com" {
		api = "https://api.github.com"
	}
	c.Endpoint.UserInfoURL = cmp.Or(c.Endpoint.UserInfoURL, api+"/user")
	if c.AuthMethod == "" && c.ClientSecret != "" {
		c.AuthMethod = authcode.AuthPost
	}
	if c.Scopes == nil {
		c.Scopes = []string{"user:email"}
	}
	if c.Profile == nil {
		userURL := c.Endpoint.UserInfoURL
		c.Profile = func(ctx context.Context, hc *http.Client, t postern.Tokens) (postern.Identity, error) {
			return gitHubProfile(ctx, hc, userURL, t)
		}
	}
	return build(c, true)
}

func gitHubProfile(ctx context.Context, hc *http.Client, userURL string, t postern.Tokens) (postern.Identity, error) {
	raw, err := Get(ctx, hc, userURL, t)
	if err != nil {
		return postern.Identity{}, err
	}
	var user struct {
		ID     int64  `json:"id"`
		Login  string `json:"login"`
		Name   string `json:"name"` // null if the person gave none
		Avatar string `json:"avatar_url"`
	}
	if err := json.Unmarshal(raw, &user); err != nil {
		return postern.Identity{}, fmt.Errorf("GitHub user: %w", err)
	}
	if user.ID <= 0 {
		return postern.Identity{}, errors.New("GitHub user: no id")
	}
	id := postern.Identity{
		Subject: strconv.FormatInt(user.ID, 10), Name: cmp.Or(user.Name, user.Login), Picture: authcode.Picture(user.Avatar), Raw: raw,
	}
	// 403 and 404: the token may not read addresses. Any other failure fails the sign-in: an outage must not make an
	// account look as if it had no address.
	list, status, err := authcode.Profile(ctx, hc, userURL+"/emails?per_page=100", t.Access, http.StatusForbidden, http.StatusNotFound)
	if err != nil {
		return postern.Identity{}, err
	}
	if status == http.StatusOK {
		id.Addresses, err = gitHubAddresses(list)
	}
	return id, err
}

func gitHubAddresses(list string) ([]postern.Address, error) {
	var emails []struct {
		Email    string          `json:"email"`
		Primary  bool            `json:"primary"`
		Verified json.RawMessage `json:"verified"`
	}
	if err := json.Unmarshal([]byte(list), &emails); err != nil {
		return nil, fmt.Errorf("GitHub addresses: %w", err)
	}
	for _, e := range emails {
		if !e.Primary {
			continue
		}
		if a, ok := authcode.Email(e.Email, string(e.Verified) == "true"); ok {
			return []postern.Address{a}, nil
		}
	}
	return nil, nil
}
