package oauth

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/authcode"
)

// Discord signs in with a Discord account. Config needs ClientID and ClientSecret. Scopes defaults to identify and
// email. Prompt "none" skips the consent of people who gave it before.
//
// The subject is the account's id, a number of up to 20 digits: user names can be changed and taken by somebody else.
// An address is Verified if verified is the boolean true: its owner has then opened a link in a mail of Discord's.
// Accounts that were made with a telephone number have none.
//
// Sources: https://discord.com/developers/docs/topics/oauth2, https://discord.com/developers/docs/resources/user,
// https://discord.com/developers/docs/reference#image-formatting.
func Discord(c Config) *Provider {
	c.Mark = cmp.Or(c.Mark, "discord")
	c = c.or(Config{
		Issuer: "https://discord.com",
		Scopes: []string{"identify", "email"}, AuthMethod: authcode.AuthBasic,
		Endpoint: Endpoint{
			AuthURL:     "https://discord.com/oauth2/authorize",
			TokenURL:    "https://discord.com/api/v10/oauth2/token",
			UserInfoURL: "https://discord.com/api/v10/users/@me",
		},
	})
	if c.Profile == nil {
		me := c.Endpoint.UserInfoURL
		c.Profile = func(ctx context.Context, hc *http.Client, t postern.Tokens) (postern.Identity, error) {
			return discordProfile(ctx, hc, me, t)
		}
	}
	return build(c, false)
}

func discordProfile(ctx context.Context, hc *http.Client, me string, t postern.Tokens) (postern.Identity, error) {
	raw, err := Get(ctx, hc, me, t)
	if err != nil {
		return postern.Identity{}, err
	}
	var user struct {
		ID       string          `json:"id"`
		Username string          `json:"username"`
		Name     string          `json:"global_name"` // null if the person gave none
		Avatar   string          `json:"avatar"`      // a hash
		Email    string          `json:"email"`
		Verified json.RawMessage `json:"verified"`
	}
	if err := json.Unmarshal(raw, &user); err != nil {
		return postern.Identity{}, fmt.Errorf("Discord user: %w", err)
	}
	if user.ID == "" || strings.Trim(user.ID, "0123456789") != "" {
		return postern.Identity{}, errors.New("Discord user: no id")
	}
	id := postern.Identity{
		Subject: user.ID, Name: cmp.Or(user.Name, user.Username), Addresses: mail(user.Email, string(user.Verified) == "true"), Raw: raw,
	}
	if user.Avatar != "" {
		id.Picture = "https://cdn.discordapp.com/avatars/" + user.ID + "/" + url.PathEscape(user.Avatar) + ".png"
	}
	return id, nil
}
