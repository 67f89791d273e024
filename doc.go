// Package postern signs people in.
//
// [New] returns an http.Handler that leads a person through a provider: Google, GitHub, any OpenID or OAuth 2
// service, a mailed link or code, or a [Provider] you write. The handler passes the proven [Identity] to your
// function OnSuccess, which finds the user in your database and starts a session of package session:
//
//	auth, err := postern.New(postern.Config{
//		Sessions:  sessions, // *session.Sessions: issuer https://api.example.com/auth
//		Redirects: []string{"https://example.com/"},
//		Mail:      sendMail, // func(context.Context, postern.Mail) error
//		Providers: map[string]postern.Provider{
//			"google": oidc.Google(oidc.Config{ClientID: id, ClientSecret: secret}),
//			"link":   magic.Link(magic.Config{}),
//		},
//		OnSuccess: func(w http.ResponseWriter, r *http.Request, in *postern.SignIn) error {
//			u, err := findOrCreateUser(r.Context(), in.Identity.Key())
//			if err != nil {
//				return err
//			}
//			grant := session.Grant[User]{Subject: u.ID, Properties: u, Authentication: in.Authentication}
//			return user.Cookie(w, r, grant, in.Return)
//		},
//	})
//	auth.Mount(mux)
//
// A link to https://api.example.com/auth/google/authorize then signs a person in and leads to the first of Redirects,
// or to the entry that the link asks for: ?redirect_uri=https://example.com/.
//
// # Guarantees
//
//   - Absolute URLs come from the configured issuer, never from Host or X-Forwarded headers.
//   - A sign-in leads only to entries of Config.Redirects. Errors are pages, never redirects.
//   - A sign-in is bound to the browser that began it, works once, and lasts ten minutes.
//   - [Identity.Key] stands for issuer and subject together. An address never identifies a person.
//   - A request that changes something must come from a page of this host.
//   - Bad input is answered 4xx with a stable code ([Error]). A store or keys that do not answer are 503.
//   - Nothing secret is logged.
//
// # Redirects after forms
//
// Chromium checks every redirect that follows a form against the form-action of the page, redirects of your landing
// page included. So a redirect that answers a form leads to {base}/continue, a page that leads on by a meta refresh
// and a link ([Page] has its destination as Next). This holds for whatever writes the redirect: Kind.Cookie,
// OnSuccess, a provider, a sign-out. The ticket in the URL works in the same browser alone, once, for a minute. A
// client that asks for JSON gets {"redirect_uri":"..."}, and a script's fetch gets the redirect. A GET callback answers
// with a redirect, as no form came before it.
//
// # JSON
//
// Pages, forms and redirects have a second face for clients that accept application/json and not text/html. A page is
// {"step":"magic.code","args":{...},"forms":[...],"links":[...]}, with durations in seconds and times as RFC 3339
// writes them. A redirect is 200 {"redirect_uri":"..."}. A form may be sent as one flat JSON object. See docs/json.md.
//
// # Writing a provider
//
// A [Provider] is one method. Its handler starts an attempt, shows pages or sends the person to another site, resumes
// the attempt, and calls Done:
//
//	func (p door) Handler(f *postern.Flow) http.Handler {
//		return f.Steps(map[string]http.HandlerFunc{
//			"GET authorize": func(w http.ResponseWriter, r *http.Request) {
//				id, err := f.Start(w, r, nil)
//				if err != nil {
//					f.Fail(w, r, err)
//					return
//				}
//				http.Redirect(w, r, p.url+"?state="+id+"&back="+url.QueryEscape(f.URL("callback")), http.StatusFound)
//			},
//			"GET callback": func(w http.ResponseWriter, r *http.Request) {
//				if err := f.Resume(w, r, nil); err != nil {
//					f.Fail(w, r, err)
//					return
//				}
//				// ... ask the door who it was ...
//				f.Done(w, r, postern.Identity{Issuer: p.url, Subject: who})
//			},
//		})
//	}
//
// A provider that chooses another provider for each person (by tenant, by domain) makes child flows: see [Flow.Child].
package postern
