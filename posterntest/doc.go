// Package posterntest is for the tests of applications that use Postern: sign people in without a browser, a mail
// server or the network.
//
// # A handler of your own
//
// [Sessions] makes sessions that live in memory, [Token] mints a token, [Sign] puts it on a request:
//
//	func TestMe(t *testing.T) {
//		sessions := posterntest.Sessions(t, session.Config{})
//		user := session.NewKind[User](sessions, "user")
//		token := posterntest.Token(t, user, session.Grant[User]{Subject: "u1", Properties: User{Plan: "free"}})
//
//		w := httptest.NewRecorder()
//		user.Require(me).ServeHTTP(w, posterntest.Sign(httptest.NewRequest("GET", "/me", nil), token))
//		// ... look at w ...
//	}
//
// [Clock] is a clock to set by hand; give its Now to session.Config.Now to see a session expire.
//
// # Refresh, and what ends a session
//
// [SignedIn] gives a [Client] the cookies of a session. With a clock, a test sees what people see minutes and weeks
// later:
//
//	clock := posterntest.NewClock(time.Time{})
//	sessions := posterntest.Sessions(t, session.Config{Issuer: app.URL + "/auth", Now: clock.Now})
//	// ... start the application with sessions ...
//	client := posterntest.Client(t)
//	tokens := posterntest.SignedIn(t, client, app.URL, user, session.Grant[User]{Subject: "u1"})
//	clock.Advance(10 * time.Minute) // the access token has expired; the next request renews it
//	res, err := client.Get(app.URL + "/me")
//	// ...
//	err = sessions.Revoke(ctx, tokens.SessionID) // and at its next refresh the person is signed out
//
// # Sign-in with a provider
//
// [NewProvider] starts a local OpenID provider on https. It signs in the user of [Provider.SetUser], and is as strict
// as the real ones: exact redirect URIs, PKCE, codes that work once for a minute. [Client] is a browser without a
// screen, and [SignIn] goes the whole way:
//
//	p := posterntest.NewProvider(t, posterntest.ProviderConfig{})
//	app := posterntest.Server(t, func(url string) http.Handler {
//		p.Allow(url+"/auth/google/callback", url+"/auth/github/callback")
//		// ... make the application at url, with these providers ...
//		// "google": oidc.Google(p.Google()),
//		// "github": oauth.GitHub(p.GitHub()),
//	})
//	res := posterntest.SignIn(t, posterntest.Client(t), app.URL+"/auth/google/authorize")
//
// The client goes to the application and its providers. It stops at any other host; the log of the test says which, and
// why.
//
// The provider has three shapes: OpenID at [Provider.Issuer], GitHub at [Provider.URL] with "/login/oauth/authorize",
// "/login/oauth/access_token" and "/api/user", and Twitch at the issuer Provider.URL("/oauth2").
//
// [Faults] make it misbehave: a wrong nonce, a forged signature, an answer that never ends. What the application must
// show then is a plain refusal:
//
//	p.SetFaults(posterntest.Faults{WrongNonce: true})
//
// # Mail
//
// [Mail] catches links and codes: its Send fits postern.Config.Mail. [Submit] sends the forms of pages, as a person
// would.
//
//	var mail posterntest.Mail
//	link := magic.Link(magic.Config{})
//	// ... start the application with link as a provider and Mail: mail.Send ...
//	client := posterntest.Client(t)
//	form := posterntest.SignIn(t, client, app.URL+"/auth/link/authorize")
//	posterntest.Submit(t, client, form, url.Values{"email": {"ada@example.com"}})
//	page := posterntest.SignIn(t, client, mail.Last(t, "ada@example.com").Arg("link"))
//	res := posterntest.Submit(t, client, page, nil) // presses the button
package posterntest

// A T is the part of *testing.T that this package needs. Any *testing.T, *testing.B and *testing.F will do. Where a T
// has the method Logf too, [Client] uses it.
type T interface {
	Helper()
	Cleanup(func())
	Fatalf(format string, args ...any)
}
