package posterntest

import "github.com/posternauth/postern/internal/test/fakeidp"

// An Endpoint is what a request to a Provider is for, in any shape. It is a string.
type Endpoint = fakeidp.Endpoint

// The endpoints.
const (
	AtDiscovery Endpoint = fakeidp.Discovery
	AtAuthorize Endpoint = fakeidp.Authorize
	AtToken     Endpoint = fakeidp.Token
	AtUserInfo  Endpoint = fakeidp.UserInfo // and GitHub's /api/user
	AtEmails    Endpoint = fakeidp.Emails   // GitHub's /api/user/emails
	AtJWKS      Endpoint = fakeidp.JWKS
)

// A Trouble is a way for an endpoint not to answer well. It is a string.
type Trouble = fakeidp.Trouble

// The troubles.
const (
	Slow         Trouble = fakeidp.Slow         // answers rightly after Faults.Delay
	Drip         Trouble = fakeidp.Drip         // answers rightly, one byte every Faults.Delay
	Huge         Trouble = fakeidp.Huge         // one JSON string of 1 GiB
	GzipBomb     Trouble = fakeidp.GzipBomb     // 1 MiB that unpacks to 1 GiB, whether or not gzip was asked for
	RedirectLoop Trouble = fakeidp.RedirectLoop // 302 to Faults.RedirectTo, by default to itself
	ServerError  Trouble = fakeidp.ServerError  // 500 with an HTML page
	NotJSON      Trouble = fakeidp.NotJSON      // 200 with an HTML page
	Down         Trouble = fakeidp.Down         // the connection ends without an answer
)

// Faults are what the provider does wrong: a struct whose zero value does nothing wrong. Its fields, which may be
// combined:
//
//   - the answer at the callback: Deny, Error and ErrorDescription, WrongState, DuplicateCode, WrongIss, NoIss,
//     NoIssAnnounced
//   - the token answer: TokenError, NoIDToken
//   - the ID token, in this order: WrongIssuer, WrongAudience, MoreAudiences, WrongNonce, NoNonce, NoSubject,
//     NoIssuedAt, Expired, AuthAge (a time.Duration), IDToken (a func(claims map[string]any), which has the last
//     word), UnknownKey, NoKeyID, AlgNone, HMAC, BadSignature
//   - the address, in the ID token, at UserInfo and in GitHub's list: NoEmail, EmailUnverified, EmailVerifiedText,
//     NoEmailVerified
//   - elsewhere: OtherSubject (at UserInfo), WrongDiscoveryIssuer
//   - Transport, a map[Endpoint]Trouble: the trouble of each endpoint, or of all but AtAuthorize under the key "".
//     Delay is that of Slow (30 s by default) and Drip (1 s), RedirectTo the target of RedirectLoop (the same URL by
//     default)
//
// Error, ErrorDescription, TokenError and RedirectTo are strings; the other fields without a type here are of type
// bool.
type Faults = fakeidp.Faults
