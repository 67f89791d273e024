// Package session issues typed sessions and checks them on every request.
//
// A [Kind] is one type of session. It has a name, durations, and a Go type for the application's data. A guard of one
// kind never accepts a token of another kind.
//
//	type User struct {
//		UserID string `json:"userID"`
//	}
//
//	ring, err := keys.Open(ctx, keys.RingConfig{Vault: vault})
//	sessions, err := session.New(session.Config{
//		Issuer:   "https://api.example.com/auth",
//		Audience: "api",
//		Keys:     ring,
//		Store:    store,
//	})
//	user := session.NewKind[User](sessions, "user")
//
// [Kind.Create] begins a session. At the end of a sign-in, [Kind.Cookie], [Kind.Code] and [Kind.Parameter] begin a
// session and hand it to a browser or an application. Routes then require the session:
//
//	mux.Handle("GET /me", user.Require(me))
//	mux.Handle("POST /pay", user.Require(pay, session.Scope("pay"), session.Fresh(5*time.Minute)))
//	mux.Handle("GET /", user.Optional(home))
//
// and handlers read it:
//
//	s, ok := user.From(r.Context()) // s.Properties is a User
//
// A service that only checks tokens needs neither a ring nor a store: its Config.Keys is a keys.Verifier.
// [NewExternal] makes guards for tokens of other issuers, and [AnyOf] combines guards.
//
// # Two tokens and a row
//
// An access token is a JWT (RFC 9068) with the header typ "at+jwt", signed by the current key of the ring. Checking it
// needs no store and no network. It lives for five minutes (KindConfig.Access). Verification is strict: form,
// algorithm, issuer, audience, kind and times must be exactly as this package writes them. Any other token is refused
// with an [ErrInvalidToken], and [Reason] returns the reason.
//
// A refresh token is traded for the next access token. A guard refreshes the session of a browser by itself. A page in
// front of a gateway calls POST {base}/refresh, an application calls POST {base}/token, and a program calls
// [Sessions.Refresh].
//
// Each refresh returns a new refresh token, at most every 30 s; parallel requests get the same one. If an answer is
// lost, the client sends its old refresh token again and gets a new answer, however late it asks: a lost answer signs
// nobody out. Once the new refresh token has itself been traded, the old one is used up. If it is sent again, it is a
// copy, and the session ends. [Sessions.Refresh] describes the rules in full.
//
// Both tokens belong to a row in Config.Store. The row makes it possible to list sessions ([Sessions.List]), to change
// them ([Kind.Edit], [Kind.Merge], [Kind.Replace]) and to end them. A session ends when it was not used for 7 days
// (KindConfig.Idle), and at the age of 30 days (KindConfig.Absolute). A Stateless kind has no rows and no refresh
// tokens: a session is its access token, lives for an hour, and cannot be ended earlier. Stores are in package store
// and below it.
//
// # Ending
//
// [Sessions.SignOut] and [Sessions.SignOutEverywhere] end the sessions of a request. [Sessions.Revoke] ends one
// session, [Sessions.RevokeSubject] ends all sessions of a person, and [Sessions.RevokeOthers] ends all except one.
// When these methods return without an error, no refresh token of the ended sessions works. An access token works until
// it expires. Where five minutes are too long, the need [CheckStore] makes a route ask the store on every request;
// KindConfig.CheckStore does this for all routes of a kind:
//
//	mux.Handle("POST /payout", user.Require(payout, session.CheckStore))
//
// [Sessions.Handler] serves these functions over HTTP: /token, /refresh, /revoke, /signout and /sessions.
//
// # Facts that change
//
// A fact that changes while a session lives is a [Claim], not a property: the application fetches the value, the token
// carries the value and its age, and a route sets how new the value must be.
//
// # Other programs
//
// [ForwardAuth] answers a reverse proxy that guards other programs.
//
// # Browsers
//
// Cookies have __Host- names and are HttpOnly, Secure and SameSite=Lax. A page of another origin can make a browser
// send a request with these cookies. So a request that carries a cookie and changes something must come from a page of
// the issuer's origin or of Config.Origins; [net/http.CrossOriginProtection] makes the check. A browser never adds a
// Bearer token by itself, so requests with a Bearer token need no such check.
package session

import "github.com/posternauth/postern/internal/returnto"

// A Return is the destination of a finished sign-in. Only package postern makes one, from its list of allowed
// redirects.
type Return = returnto.Return
