// Package oauth signs people in at a service that speaks OAuth 2 but not OpenID Connect: the service grants an access
// token, and a profile fetched with it says who the person is. Discord, Facebook, GitHub, LinkedIn, Spotify and X are
// such services.
//
//	postern.Config{Providers: map[string]postern.Provider{
//		"github": oauth.GitHub(oauth.Config{ClientID: id, ClientSecret: secret}),
//	}}
//
// Register {issuer}/{name}/callback as the redirect URI at the service: with the issuer https://api.example.com/auth
// and the name "github", https://api.example.com/auth/github/callback.
//
// # Any service
//
// [New] takes a service as data: two URLs, and a function that turns an access token into an identity.
//
//	oauth.New(oauth.Config{
//		ClientID: id, ClientSecret: secret, Scopes: []string{"profile"},
//		Issuer:   "https://music.example.com",
//		Endpoint: oauth.Endpoint{
//			AuthURL: "https://music.example.com/authorize",
//			TokenURL: "https://music.example.com/token",
//		},
//		Profile: func(ctx context.Context, c *http.Client, t postern.Tokens) (postern.Identity, error) {
//			raw, err := oauth.Get(ctx, c, "https://music.example.com/me", t)
//			...
//			return postern.Identity{Subject: me.ID, Name: me.Name, Raw: raw}, nil
//		},
//	})
//
// Where a service offers OpenID Connect as well, prefer package oidc: an ID token is signed and meant for one client,
// an access token is neither.
//
// # What is checked
//
// Only the code flow is used, with PKCE (S256; not at LinkedIn, which refuses it) and a state that is checked and
// used up before the service is asked anything (RFC 9700). The parameter iss of the callback is checked where it is
// known (RFC 9207). Calls go to https and public addresses only, follow no redirect, take five seconds and a mebibyte
// at most. Errors of a service become pages with one of these codes; none of its words are shown:
//
//   - access_denied (403): the person, or the service, said no
//   - interaction_required (400): prompt=none, and the person is not signed in there
//   - invalid_request, invalid_issuer, invalid_code (400): not an answer to our question, or one too old
//   - provider_error (400 or 502): the service cannot, or its answer cannot be used. The log has its error code and
//     description, escaped and cut short
//   - provider_unavailable (503): the service does not answer. Other providers work on
package oauth
