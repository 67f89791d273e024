// Package session issues typed sessions and checks them on every request.
//
// A [Kind] is one type of session: what it is called, how long its tokens live, and what they know, a Go type of the
// application's own. A token of one kind never opens a door of another.
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
// A session begins with [Kind.Create], or at the end of a sign-in with [Kind.Cookie], [Kind.Code] or [Kind.Parameter],
// which bring it to a browser or an application. From then on a route asks for it:
//
//	mux.Handle("GET /me", user.Require(me))
//	mux.Handle("POST /pay", user.Require(pay, session.Scope("pay"), session.Fresh(5*time.Minute)))
//	mux.Handle("GET /", user.Optional(home))
//
// and reads it:
//
//	s, ok := user.From(r.Context()) // s.Properties is a User
//
// A service that only checks tokens needs neither ring nor store: it gives Config.Keys a keys.Verifier. Tokens of other
// issuers are checked by [Trust], and [AnyOf] lets several kinds through one door.
//
// # Two tokens and a row
//
// An access token is a JWT as RFC 9068 has it, header typ "at+jwt", signed by the newest key of the ring. It is checked
// without a store and without the network, and lives for five minutes (KindConfig.Access). Verification is strict. What
// is not exactly as this package writes it, in form, algorithm, issuer, audience, kind, times, is refused, with an error
// that says why ([ErrExpired], [ErrAudience], ...).
//
// A refresh token gets the next one. A guard does that for a browser by itself; a page in front of a gateway asks POST
// {base}/refresh, an application POST {base}/token, a program [Sessions.Refresh]. Each token is good once, but for the
// moment that parallel requests and lost answers need; one that comes later is a copy, and ends the session.
//
// Behind both stands a row in Config.Store, where a session is listed ([Sessions.List]), changed ([Kind.Edit],
// [Kind.Merge], [Kind.Replace]) and ended. It ends when it has not been used for KindConfig.Idle, 7 days, or is
// KindConfig.Absolute old, 30 days. A kind that is Stateless has no row and no refresh token: its sessions are their
// tokens, good for an hour and not to be called back. Stores are in package store and below it.
//
// # Ending
//
// [Sessions.SignOut] and [Sessions.SignOutEverywhere] end what a request carries, [Sessions.Revoke] one session,
// [Sessions.RevokeSubject] all of a person, [Sessions.RevokeOthers] all but one. When they return without an error no
// refresh token of it works any more. Access tokens that are out are good until they expire; where five minutes are
// too long a route asks the store, by the need [CheckStore], or a kind does on all its routes, by KindConfig.CheckStore:
//
//	mux.Handle("POST /payout", user.Require(payout, session.CheckStore))
//
// [Sessions.Handler] serves all this over HTTP: /token, /refresh, /revoke, /signout and /sessions.
//
// # What changes
//
// What changes while a session lives is no property but a [KindClaim]: a fact with an age, which the application fetches,
// the token carries, and routes ask for as new as they need it. A proxy in front of something else asks [ForwardAuth].
//
// # Browsers
//
// Cookies have __Host- names and are HttpOnly, Secure and SameSite=Lax. A cookie is sent by the browser, whoever made it
// ask, so a request that carries one and changes something must come from a page of the issuer's origin or of
// Config.Origins (the check is that of [net/http.CrossOriginProtection]). An Authorization header is set by the page
// itself and needs no such check.
package session

import "github.com/posternauth/postern/internal/handover"

// A Return says where a finished sign-in leads. Only package postern makes one, from its list of allowed redirects.
type Return = handover.Return
