// Package oidc signs people in at an OpenID provider: Apple, Cognito, GitLab, Google, Keycloak, Microsoft, Slack, Twitch,
// Yahoo, or any other by the URL of its issuer.
//
//	postern.Config{Providers: map[string]postern.Provider{
//		"google":  oidc.Google(oidc.Config{ClientID: id, ClientSecret: secret}),
//		"company": oidc.New(oidc.Config{Issuer: "https://login.example.com", ClientID: id2, ClientSecret: secret2}),
//	}}
//
// Register {issuer}/{name}/callback as the redirect URI at the provider: with Postern's issuer
// https://api.example.com/auth and the name "google", https://api.example.com/auth/google/callback.
//
// Nothing is called when the program starts. The provider's metadata are read at the first sign-in and kept for an hour,
// its keys for ten minutes; when they cannot be read anew, the old ones serve. A provider that is down is a page with
// status 503 for those who chose it, and nothing to anybody else.
//
// # What it holds to
//
// The code flow only (RFC 9700), with PKCE (S256; not at Slack, which refuses it), a nonce, and a state that is
// checked and burned before the provider is asked anything. The metadata must name the configured issuer, and the
// parameter iss of the callback is checked (RFC 9207). An ID token is believed if all of this holds (OpenID Connect Core
// section 3.1.3.7):
//
//   - its signature verifies with a key the provider publishes, by an algorithm of Config.Algorithms
//   - iss is the issuer, character for character; aud names this client; azp, if there, is this client, and it is there
//     if aud names others as well
//   - exp has not passed and iat, nbf are not in the future, give or take a minute
//   - nonce is the one of this attempt; sub is there
//   - auth_time is recent enough, if MaxAge is set; at_hash, if there, fits the access token
//
// Calls go to https and public addresses only, follow no redirect, and take five seconds and a mebibyte at most. What
// goes wrong becomes a page with one of these codes; none of the provider's words are shown:
//
//   - access_denied (403): the person, or the provider, said no
//   - wrong_domain (403): the account is not of Config.HostedDomain
//   - interaction_required (400): prompt=none, and the person is not signed in there
//   - invalid_request, invalid_issuer, invalid_code (400): not an answer to our question, or one too old
//   - invalid_id_token (400): one of the checks above failed. The log says which
//   - provider_error (400 or 502): the provider cannot, or answers what cannot be used. The log has its error code
//   - provider_unavailable (503): the provider does not answer. Others work on
//
// # Who it is
//
// Identity.Issuer and Subject are iss and sub of the ID token: together, and nothing else, they are the key of a person.
// An address is Verified if email_verified is the boolean true; a preset may know more of its service, and says so. What
// that is worth depends on the provider: any tenant of a provider that lets customers write their directories can claim
// any address. At Microsoft, email_verified is therefore not looked at.
package oidc
