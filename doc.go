// Package postern signs people in.
//
// [New] makes an http.Handler that leads a person through a provider (Google, GitHub, any OpenID or OAuth 2 service, a
// mailed link or code, or one of your own) and hands the proven [Identity] to your function, which finds the user in
// your database and gives them a session of package session:
//
//	auth, err := postern.New(postern.Config{
//		Sessions:  sessions, // *session.Sessions: issuer https://api.example.com/auth
//		Redirects: []string{"https://example.com/"},
//		Providers: map[string]postern.Provider{
//			"google": oidc.Google(oidc.Config{ClientID: id, ClientSecret: secret}),
//			"link":   magic.Link(magic.Config{Send: sendMail}),
//		},
//		OnSuccess: func(w http.ResponseWriter, r *http.Request, in *postern.SignIn) error {
//			u, err := findOrCreateUser(r.Context(), in.Identity)
//			if err != nil {
//				return err
//			}
//			return user.Cookie(w, r, session.Grant[User]{Subject: u.ID, Properties: u, Auth: in.Auth}, in.Return)
//		},
//	})
//	auth.Mount(mux)
//
// A link to https://api.example.com/auth/google/authorize then signs a person in and leads them to the first of
// Redirects, or to the one they asked for: ?redirect_uri=https://example.com/.
//
// # What it holds to
//
// Every absolute URL comes from the configured issuer, whatever Host or X-Forwarded-* say. Nobody is redirected off
// Config.Redirects, and nothing wrong is answered by a redirect. A sign-in is bound to the browser that began it, works
// once, and lasts ten minutes. The key of an identity is (Issuer, Subject), never an address. Requests that change
// something must come from a page of this host. Bad input is a 4xx with a stable code ([Error]), a store or keys that
// don't answer are 503, and nothing secret is logged.
//
// # Providers of your own
//
// A [Provider] is one method. It starts an attempt, shows pages or sends the person elsewhere, resumes the attempt, and
// is done:
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
// A provider that chooses another for each person (by tenant, by domain) makes flows below its own: see [Flow.Child].
package postern
