// Package oidc signs people in at an OpenID provider: Apple, Cognito, GitLab, Google, Keycloak, Microsoft, Slack,
// Twitch, Yahoo, or any other by the URL of its issuer.
//
//	postern.Config{Providers: map[string]postern.Provider{
//		"google":  oidc.Google(oidc.Config{ClientID: id, ClientSecret: secret}),
//		"company": oidc.New(oidc.Config{Issuer: "https://login.example.com", ClientID: id2, ClientSecret: secret2}),
//	}}
//
// Register {issuer}/{name}/callback as the redirect URI at the provider: with Postern's issuer
// https://api.example.com/auth and the name "google", https://api.example.com/auth/google/callback.
//
// Nothing is called when the program starts. The provider's metadata are read at the first sign-in and kept for an
// hour, its keys for ten minutes; when they cannot be read anew, the old ones serve. If a provider is down, people
// who choose it get a page with status 503. Nobody else is affected.
//
// # What is checked
//
// Only the code flow is used (RFC 9700), with PKCE (S256; not at Slack, which refuses it), a nonce, and a state that is
// checked and used up before the provider is asked anything. The metadata must name the configured issuer, and the
// parameter iss of the callback is checked (RFC 9207). An ID token is accepted if all of this is true (OpenID Connect
// Core section 3.1.3.7):
//
//   - its signature verifies with a key that the provider publishes, by an algorithm of Config.Algorithms
//   - iss is the issuer, character for character; aud names this client; azp, if there, is this client; other audiences
//     are in Config.Audiences, unless azp is there
//   - exp has not passed and iat, nbf are not in the future, with Config.Leeway
//   - nonce is the one of this attempt; sub is there
//   - auth_time is recent enough, if MaxAge is set; at_hash, if there, fits the access token
//
// Calls go to https and public addresses only, follow no redirect, and take at most five seconds and a mebibyte. An
// error becomes a page with one of these codes. The page shows no text of the provider:
//
//   - access_denied (403): the person or the provider refused
//   - wrong_domain (403): the account is not of Config.HostedDomain
//   - interaction_required (400): prompt=none, and the person is not signed in there
//   - invalid_request, invalid_issuer, invalid_code (400): the callback does not answer this request, or is too
//     late
//   - invalid_id_token (400): one of the checks above failed. The log says which
//   - provider_error (400 or 502): the provider reports an error, or its answer is unusable. The log has its error
//     code and description, escaped and shortened
//   - provider_unavailable (503): the provider does not answer. Other providers still work
//
// # Who it is
//
// Identity.Issuer and Subject are iss and sub of the ID token. Identity.Key combines the two and identifies the
// person. An address is Verified if email_verified is the boolean true; presets document other rules. The value of
// this proof depends on the provider. If a provider lets its customers write their directories, each customer can
// claim any address. So email_verified of Microsoft is ignored.
package oidc
