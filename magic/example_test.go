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
	var mail postern.Mail
	send := func(_ context.Context, m postern.Mail) error { mail = m; return nil }
	base, browser, stop := serve("link", magic.Link(magic.Config{Name: "Example Shop"}), send)
	defer stop()

	post(browser, base+"/link/authorize?invite=7", url.Values{"email": {"Ada@example.com"}})
	fmt.Printf("to %s: %s\n", mail.To, mail.Subject)

	link, err := url.Parse(mail.Arg("link"))
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

// A program that shows no pages asks for a code and sends it, as JSON, with the cookies it was given.
func ExampleCode() {
	var mail postern.Mail
	send := func(_ context.Context, m postern.Mail) error { mail = m; return nil }
	base, client, stop := serve("code", magic.Code(magic.Config{}), send)
	defer stop()

	var sent, form map[string]any
	call(client, "POST", base+"/code/authorize", `{"email":"ada@example.com"}`, &sent) // {"redirect_uri": ...}
	next := sent["redirect_uri"].(string)
	call(client, "GET", next, "", &form)
	fmt.Println(form["step"], "asks for a code of", form["args"].(map[string]any)["digits"], "digits")

	at, err := url.Parse(next)
	if err != nil {
		log.Fatal(err)
	}
	typed := mail.Arg("code")[:3] + " " + mail.Arg("code")[3:]
	body := fmt.Sprintf(`{"state":%q,"code":%q}`, at.Query().Get("state"), typed)
	call(client, "POST", base+"/code/callback", body, new(map[string]any)) // {"redirect_uri": ...}, and the session
	// Output:
	// magic.code asks for a code of 6 digits
	// signed in ada@example.com by code, who carries map[]
}

// One message with a link for this device and a code to type on another screen, in words of one's own.
func ExampleBoth() {
	var mail postern.Mail
	send := func(_ context.Context, m postern.Mail) error {
		if m.Name == "magic.sign-in" {
			m.Subject = "Dein Zugang"
			m.Text = fmt.Sprintf("Hier klicken: %s\nOder diesen Code eingeben: %s", m.Arg("link"), m.Arg("code"))
			m.HTML = ""
		}
		mail = m // a real program passes it to its mail service
		return nil
	}
	base, browser, stop := serve("mail", magic.Both(magic.Config{}), send)
	defer stop()

	response := post(browser, base+"/mail/authorize", url.Values{"email": {"ada@example.com"}})
	page := response.Request.URL // the page that asks for the code
	fmt.Println(mail.Subject)
	post(browser, base+"/mail/callback", url.Values{"state": page.Query()["state"], "code": {mail.Arg("code")}})
	// Output:
	// Dein Zugang
	// signed in ada@example.com by code, who carries map[]
}

// serve starts a sign-in handler with one provider, and a browser to use it.
func serve(name string, p postern.Provider, send func(context.Context, postern.Mail) error) (base string, browser *http.Client, stop func()) {
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
		Sessions: sessions, Redirects: []string{"/welcome"}, Providers: map[string]postern.Provider{name: p}, Mail: send,
		OnSuccess: func(w http.ResponseWriter, r *http.Request, in *postern.SignIn) error {
			email, _ := in.Identity.Email()
			fmt.Printf("signed in %s by %s, who carries %v\n", email, in.Authentication.Methods[0], in.Identity.Params)
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

// call sends JSON and reads JSON.
func call(client *http.Client, method, target, body string, answer any) {
	request, err := http.NewRequest(method, target, strings.NewReader(body))
	if err != nil {
		log.Fatal(err)
	}
	request.Header.Set("Accept", "application/json")
	request.Header.Set("Content-Type", "application/json")
	response, err := client.Do(request)
	if err != nil {
		log.Fatal(err)
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(answer); err != nil || response.StatusCode != http.StatusOK {
		log.Fatal(response.Status, err)
	}
}
