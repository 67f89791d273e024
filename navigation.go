package postern

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/posternauth/postern/internal/loopback"
)

// opensPage reports whether a request opens a page that a person is about to see, so that it may begin a sign-in.
//
// A page of any other site can make a visitor's browser send hundreds of requests at once: images, scripts, fetches,
// frames. Each would leave a cookie here, and together they would push out the cookies of the session. Browsers say
// what a request is for in headers that no page can set (Fetch Metadata Request Headers, W3C). A client without these
// headers is not a browser, or one from before 2023: it goes on.
func opensPage(r *http.Request) bool {
	h := r.Header
	// A page that is fetched or drawn ahead may never be seen. Browsers ask again when it is needed.
	for _, name := range [...]string{"Sec-Purpose", "Purpose", "X-Purpose", "X-Moz"} {
		for _, value := range h.Values(name) {
			if v := strings.ToLower(value); strings.Contains(v, "prefetch") || strings.Contains(v, "prerender") || strings.Contains(v, "preview") {
				return false
			}
		}
	}
	dest, mode := h.Get("Sec-Fetch-Dest"), h.Get("Sec-Fetch-Mode")
	switch {
	case dest == "document":
		return true
	case dest == "" && h.Get("Sec-Fetch-Site") == "": // also the fetch of Node, which sends a mode alone
		return true
	case dest == "" || dest == "empty":
		// A navigation that a service worker of this host passes on. Scripts cannot make a request of this mode.
		return mode == "navigate"
	}
	return false
}

// otherName returns the refusal of a page that a browser opens under another name of this machine than the issuer's:
// http://127.0.0.1:8080 in place of http://localhost:8080. For browsers these are two sites, so the form of the page
// would be blocked without a word, and the cookies would be missing later. It is only a page with a link, not a
// redirect: a proxy that rewrites Host would make one endless. Nil: there is nothing to refuse.
func (a *Auth) otherName(r *http.Request) *Error {
	issuer, err := url.Parse(a.issuer)
	if err != nil || !loopback.Host(issuer.Hostname()) || r.Header.Get("Sec-Fetch-Dest") != "document" {
		return nil
	}
	asked := url.URL{Host: r.Host}
	if !loopback.Host(asked.Hostname()) || asked.Port() != issuer.Port() || strings.EqualFold(asked.Hostname(), issuer.Hostname()) {
		return nil
	}
	return badRequest("wrong_host", "This page was opened under another name of this machine. For browsers that is another site. "+
		"Please start again at {origin}.").with("origin", issuer.Scheme+"://"+issuer.Host)
}

func errNotAPage() *Error {
	return &Error{Status: http.StatusForbidden, Code: codeNotAPage,
		Text: "Signing in begins in a window, not inside another page. Please open this address in a window of your browser."}
}

const codeNotAPage = "navigation_required"
