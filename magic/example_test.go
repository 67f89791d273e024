package magic_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/magic"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

// A person asks for a link, opens it and presses the button on its page.
func ExampleLink() {
	var mail magic.Message
	base, browser, stop := serve("link", magic.Link(magic.Config{
		Name: "Example Shop",
		Send: func(_ context.Context, m magic.Message) error { mail = m; return nil },
	}))
	defer stop()

	post(browser, base+"/link/authorize?invite=7", url.Values{"email": {"Ada@example.com"}})
	fmt.Printf("to %s: %s\n", mail.To, mail.Subject)

	link, err := url.Parse(mail.Link)
	if err != nil {
		log.Fatal(err)
	}
	if _, err := browser.Get(link.String()); err != nil { // shows whom the button signs in
		log.Fatal(err)
	}
	post(browser, base+"/link/callback", link.Query()) // what the button does
	// Output:
	// to ada@example.com: Sign in to Example Shop
	// signed in ada@example.com by link, who carries map[invite:7]
}

// A program that shows no pages asks for a code and sends it, with the cookies it was given.
func ExampleCode() {
	var mail magic.Message
	base, client, stop := serve("code", magic.Code(magic.Config{
		Send: func(_ context.Context, m magic.Message) error { mail = m; return nil },
	}))
	defer stop()

	form := strings.NewReader(url.Values{"email": {"ada@example.com"}}.Encode())
	request, err := http.NewRequest("POST", base+"/code/authorize", form)
	if err != nil {
		log.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Accept", "application/json")
	response, err := client.Do(request)
	if err != nil {
		log.Fatal(err)
	}
	defer response.Body.Close()
	var sent struct{ Status, State string }
	if err := json.NewDecoder(response.Body).Decode(&sent); err != nil {
		log.Fatal(err)
	}
	fmt.Println(sent.Status)

	typed := mail.Code[:3] + " " + mail.Code[3:]
	post(client, base+"/code/callback", url.Values{"state": {sent.State}, "code": {typed}})
	// Output:
	// sent
	// signed in ada@example.com by code, who carries map[]
}

// One message with a link for this device and a code to type on another screen, in words of one's own.
func ExampleBoth() {
	var mail magic.Message
	base, browser, stop := serve("mail", magic.Both(magic.Config{
		Send: func(_ context.Context, m magic.Message) error { mail = m; return nil },
		Compose: func(m magic.Mail) magic.Message {
			return magic.Message{
				Subject: "Dein Zugang",
				Text:    fmt.Sprintf("Hier klicken: %s\nOder diesen Code eingeben: %s", m.Link, m.Code),
			}
		},
	}))
	defer stop()

	response := post(browser, base+"/mail/authorize", url.Values{"email": {"ada@example.com"}})
	page := response.Request.URL // the page that asks for the code
	fmt.Println(mail.Subject)
	post(browser, base+"/mail/callback", url.Values{"state": page.Query()["state"], "code": {mail.Code}})
	// Output:
	// Dein Zugang
	// signed in ada@example.com by code, who carries map[]
}

// serve starts a sign-in handler with one provider, and a browser to use it.
func serve(name string, p postern.Provider) (base string, browser *http.Client, stop func()) {
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	base = server.URL + "/auth"
	ring, err := keys.Open(context.Background(), keys.RingConfig{Vault: new(keys.MemoryVault)})
	if err != nil {
		log.Fatal(err)
	}
	sessions, err := session.New(session.Config{Issuer: base, Audience: "api", Keys: ring, Store: new(store.Memory)})
	if err != nil {
		log.Fatal(err)
	}
	auth, err := postern.New(postern.Config{
		Sessions: sessions, Redirects: []string{"/welcome"}, Providers: map[string]postern.Provider{name: p},
		OnSuccess: func(w http.ResponseWriter, r *http.Request, in *postern.SignIn) error {
			email, _ := in.Identity.Email()
			fmt.Printf("signed in %s by %s, who carries %v\n", email, in.Auth.Methods[0], in.Identity.Claims)
			return nil
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	auth.Mount(mux)
	mux.HandleFunc("GET /welcome", func(w http.ResponseWriter, r *http.Request) {})
	jar, err := cookiejar.New(nil)
	if err != nil {
		log.Fatal(err)
	}
	return base, &http.Client{Jar: jar}, server.Close
}

// post sends a form and follows where it leads.
func post(client *http.Client, target string, form url.Values) *http.Response {
	response, err := client.PostForm(target, form)
	if err != nil {
		log.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		log.Fatal(response.Status)
	}
	return response
}
