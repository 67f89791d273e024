// Command spa is a single-page app that no tool has built: one HTML file, one module, and Postern's client.
//
//	go run ./examples/spa           the page and the API on one origin, with cookies
//	go run ./examples/spa -split    the page on another origin, by code with PKCE
package main

import (
	"context"
	"embed"
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"log"
	"net/http"
	"strings"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/js"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/magic"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

//go:embed web
var web embed.FS

// User is what a session of this program holds about a person.
type User struct {
	Email string `json:"email"`
}

func main() {
	split := flag.Bool("split", false, "serve the page on another origin than the API")
	flag.Parse()
	api := "http://localhost:8080"
	page := api
	if *split {
		page = "http://localhost:8081"
	}
	apiHandler, pageHandler, err := newHandlers(api, page, func(_ context.Context, m postern.Mail) error {
		fmt.Printf("To: %s\n\n%s\n", m.To, m.Text) // a real program passes it to its mail service
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("open", page)
	if *split {
		go func() { log.Fatal(http.ListenAndServe("localhost:8081", pageHandler)) }()
	}
	log.Fatal(http.ListenAndServe("localhost:8080", apiHandler))
}

// newHandlers returns the handlers of the API's origin and of the page's. If the origins are equal, the first serves
// both.
func newHandlers(api, page string, send func(context.Context, postern.Mail) error) (apiHandler, pageHandler http.Handler, err error) {
	// These keys end with the program. keys.FileVault keeps them.
	ring, err := keys.Open(context.Background(), keys.RingConfig{Vault: &keys.MemoryVault{}})
	if err != nil {
		return nil, nil, err
	}
	sessions, err := session.New(session.Config{
		Issuer:   api + "/auth",
		Audience: "notes",
		Keys:     ring,
		Store:    &store.Memory{},
		Origins:  []string{page}, // for CORS; the API's own origin is always allowed
	})
	if err != nil {
		return nil, nil, err
	}
	user := session.NewKind[User](sessions, "user")
	byCode := page != api
	deliver := user.Cookie
	if byCode {
		deliver = user.Code
	}
	auth, err := postern.New(postern.Config{
		Sessions:    sessions,
		Redirects:   []string{page + "/"},
		RequirePKCE: byCode,
		Mail:        send,
		Providers:   map[string]postern.Provider{"link": magic.Link(magic.Config{Name: "Notes"})},
		OnSuccess: func(w http.ResponseWriter, r *http.Request, in *postern.SignIn) error {
			email, ok := in.Identity.Email()
			if !ok {
				return postern.Deny("no_email", "This account has no verified mail address.")
			}
			return deliver(w, r, session.Grant[User]{
				Subject:        in.Identity.Key(),
				Properties:     User{Email: email},
				Authentication: in.Authentication,
			}, in.Return)
		},
	})
	if err != nil {
		return nil, nil, err
	}
	mux := http.NewServeMux()
	auth.Mount(mux)
	guarded := sessions.CORS(user.Require(&notes{user: user}))
	for _, method := range []string{"GET", "POST", "OPTIONS"} { // OPTIONS is what browsers send ahead to another origin
		mux.Handle(method+" /api/notes", guarded)
	}
	static := pages(api, byCode)
	if !byCode {
		mux.Handle("GET /", static)
	}
	return mux, static, nil
}

// pages serves the files of the front end. Every path without a file is the page: its script reads the address.
func pages(api string, byCode bool) http.Handler {
	files, err := fs.Sub(web, "web")
	if err != nil {
		panic(err) // the folder is embedded
	}
	settings := map[string]string{"base": api + "/auth", "flow": "cookie"}
	if byCode {
		settings["flow"] = "code"
	}
	mux := http.NewServeMux()
	mux.Handle("GET /postern.js", js.Handler())
	mux.Handle("GET /app.js", http.FileServerFS(files))
	mux.Handle("GET /style.css", http.FileServerFS(files))
	mux.HandleFunc("GET /settings.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(settings) // a client that has gone needs no answer
	})
	mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) { http.ServeFileFS(w, r, files, "index.html") })
	policy := strings.Join([]string{
		"default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src data:", "connect-src 'self' " + api,
		"base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'", "require-trusted-types-for 'script'",
	}, "; ")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", policy)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		mux.ServeHTTP(w, r)
	})
}
