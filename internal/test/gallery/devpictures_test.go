package gallery

import (
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/posternauth/postern/internal/test/browser"
)

// A devPicture is a page of postern dev in docs/pages.md: how it is reached from the page before.
type devPicture struct {
	name, when string
	frames     []frame
	do         func(s *studio)
}

var devFrames = []frame{{"360", 360, 720, false, "light", "en"}, {"1280", 1280, 720, false, "light", "en"}}

var devPictures = []devPicture{
	{"dev-start", "The start: every way to sign in, and two people who are there.", append(devFrames[:2:2], frame{"1280-dark", 1280, 720, false, "dark", "en"}),
		func(s *studio) { s.run(chromedp.Navigate(s.origin + "/")) }},
	{"dev-provider", "The provider that stands in for Google asks who you are.", devFrames,
		func(s *studio) { s.run(chromedp.Navigate(s.origin + "/auth/google/authorize")) }},
	{"dev-inbox", "The inbox, where every mail arrives.", devFrames, func(s *studio) {
		s.run(chromedp.Navigate(s.origin+"/auth/link/authorize"), chromedp.SetValue(`[name=email]`, "lee@example.com", chromedp.ByQuery), submit(`[name=email]`),
			chromedp.Navigate(s.origin+"/inbox"))
	}},
	{"dev-home", "Somebody is signed in: the session, and what its token says.", devFrames, func(s *studio) {
		s.run(chromedp.Navigate(s.origin+"/auth/password/authorize"), chromedp.SetValue(`[name=identifier]`, "kim@example.com", chromedp.ByQuery),
			chromedp.SetValue(`[name=password]`, "only-for-development", chromedp.ByQuery), submit(`[name=password]`))
		s.until(`location.pathname === "/" || !!document.querySelector("[action$='/later']")`) // where a passkey is offered
		s.run(chromedp.Navigate(s.origin+"/"), chromedp.WaitVisible(`[action$="/renew"]`, chromedp.ByQuery))
	}},
	{"dev-token", "The token inspector, with the token of that session.", devFrames, func(s *studio) {
		s.run(submit(`form[action="/token"] button`), chromedp.WaitVisible(`textarea`, chromedp.ByQuery))
	}},
}

// until waits until the window shows a page of which a script says true. It may show others before.
func (s *studio) until(script string) {
	s.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		var there bool
		err := chromedp.Run(s.ctx, chromedp.Evaluate(`document.readyState === "complete" && (`+script+`)`, &there))
		if err == nil && there { // an error: the page is being left
			return
		}
		if time.Now().After(end) {
			s.Fatalf("never %s: %v", script, err)
		}
	}
}

// takeDevPictures starts postern dev and goes through it.
func takeDevPictures(t *testing.T) {
	t.Helper()
	url := startDev(t)
	s := &studio{TB: t, origin: url, ctx: browser.Start(t, nil, chromedp.Flag("hide-scrollbars", true), chromedp.Flag("font-render-hinting", "none"),
		chromedp.Flag("force-color-profile", "srgb"))}
	s.open()
	for _, stop := range devPictures {
		stop.do(s)
		s.until("true")
		for _, f := range stop.frames {
			s.window(f.width, f.height, f.scheme)
			s.photograph(f, stop.name)
		}
		s.window(1280, 800, "light")
	}
}
