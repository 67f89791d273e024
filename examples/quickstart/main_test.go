package main

import (
	"fmt"
	"io"
	"log"
	"net/http/httptest"
	"net/url"

	"github.com/posternauth/postern/posterntest"
)

// logT lets posterntest run outside of a test.
type logT struct{}

func (logT) Helper()                           {}
func (logT) Cleanup(func())                    {} // the process ends with the example
func (logT) Fatalf(format string, args ...any) { log.Fatalf(format, args...) }

// Example signs Ada in: she types her address, opens the link of the mail and presses the button.
func Example() {
	var mail posterntest.Mail
	server := httptest.NewUnstartedServer(nil)
	handler, err := newHandler("http://"+server.Listener.Addr().String(), mail.Send)
	if err != nil {
		log.Fatal(err)
	}
	server.Config.Handler = handler
	server.Start()
	defer server.Close()

	var t logT
	browser := posterntest.Client(t)
	page, err := browser.Get(server.URL + "/me")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(page.Status)

	page, err = browser.Get(server.URL + "/auth/link/authorize")
	if err != nil {
		log.Fatal(err)
	}
	posterntest.Submit(t, browser, page, url.Values{"email": {"ada@example.com"}})
	page, err = browser.Get(mail.Last(t, "ada@example.com").Arg("link"))
	if err != nil {
		log.Fatal(err)
	}
	page = posterntest.Submit(t, browser, page, nil)
	body, _ := io.ReadAll(page.Body)
	fmt.Printf("%s: %s", page.Request.URL.Path, body)
	// Output:
	// 401 Unauthorized
	// /me: Hello, ada@example.com.
}
