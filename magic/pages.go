package magic

import (
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/mailaddr"
)

// askPage asks for the address. The form goes to the same URL: what the client asked of authorize stays with it.
func (h *handler) askPage(query url.Values, typed string) postern.Page {
	what := "a link"
	switch {
	case h.link && h.code:
		what = "a link and a code"
	case h.code:
		what = "a code"
	}
	return postern.Page{
		Title: "Sign in to " + h.config.Name,
		Text:  "We will send you " + what + " by mail. No password is needed.",
		Form: &postern.Form{
			Action: h.againURL(rest(query)),
			Fields: []postern.Field{{
				Name: "email", Label: "E-mail address", Type: "email", Value: typed, Autocomplete: "email", InputMode: "email",
				MaxLength: mailaddr.MaxLength, Required: true,
			}},
			Submit: "Send mail",
		},
	}
}

// showSent is the page after the mail was asked for, in the browser that asked.
func (h *handler) showSent(w http.ResponseWriter, r *http.Request) {
	var a attempt
	if err := h.flow.Peek(r, &a); err != nil {
		h.flow.Fail(w, r, err)
		return
	}
	state := r.URL.Query().Get("state")
	b, err := h.find(r.Context(), a.Tag, hash(state))
	if err == nil {
		err = b.state(h.now())
	}
	switch {
	case err != nil && h.code:
		h.refuseCode(w, r, b, state, err)
	case err != nil:
		h.refuseLink(w, r, err)
	case h.code && b.slot.Tries < maxTries:
		h.flow.Page(w, r, h.codePage(b, state))
	case !h.link:
		h.refuseCode(w, r, b, state, errTries)
	default:
		h.flow.Page(w, r, h.sentPage(b))
	}
}

func (h *handler) sentPage(b *box) postern.Page {
	return postern.Page{
		Title: "Check your mail",
		Text: fmt.Sprintf("We sent a link to %s. Open it in this browser; it works once, within the next %s.",
			mask(b.Address), h.left(b)),
		Links: h.anotherMail(b),
	}
}

func (h *handler) codePage(b *box, state string) postern.Page {
	text := "We sent a code to %s. It works once, in this browser, within the next %s."
	if h.link {
		text = "We sent a code and a link to %s. Type the code here or open the link; they work once, within the next %s."
	}
	return postern.Page{
		Title: "Check your mail",
		Text:  fmt.Sprintf(text, mask(b.Address), h.left(b)),
		Form: &postern.Form{
			Action: h.flow.URL("callback"),
			Hidden: map[string]string{"state": state},
			Fields: []postern.Field{{
				Name: "code", Label: "Code of six digits", Type: "text", Autocomplete: "one-time-code", InputMode: "numeric",
				Pattern: `[0-9 \-]*`, MaxLength: 16, Required: true,
			}},
			Submit: "Sign in",
		},
		Links: h.anotherMail(b),
	}
}

func (h *handler) anotherMail(b *box) []postern.Link {
	return []postern.Link{{Text: "Nothing arrived, or another address? Ask for another mail", URL: h.againURL(b.Query)}}
}

// linkPage is what a link opens. The button of another browser says so in its form: one page's button never does what
// only the other page explains.
func (h *handler) linkPage(b *box, state, token string, here bool) postern.Page {
	who := mask(b.Address)
	page := postern.Page{
		Title: "Continue as " + who,
		Text:  fmt.Sprintf("You asked for this link %s ago in this browser (%s).", roughly(h.now().Sub(time.UnixMilli(b.Sent))), b.Device),
		Form: &postern.Form{
			Action: h.flow.URL("callback"),
			Hidden: map[string]string{"state": state, "token": token},
			Submit: "Continue as " + who,
		},
	}
	if !here {
		page.Title = "Sign in here as " + who + "?"
		page.Text = fmt.Sprintf("This link was asked for %s ago in another browser (%s). The button signs in this browser only, "+
			"not the one that asked. If you did not ask for the link, or somebody sent it to you, close this page.",
			roughly(h.now().Sub(time.UnixMilli(b.Sent))), b.Device)
		page.Form.Hidden["browser"] = "this"
		page.Form.Submit = "Sign in here as " + who
	}
	return page
}

// left is how long the mail still works.
func (h *handler) left(b *box) string { return roughly(time.UnixMilli(b.slot.Until).Sub(h.now())) }

// roughly says a duration in words, to the minute or the hour, rounded up.
func roughly(d time.Duration) string {
	up := func(unit time.Duration) int64 { return int64((d + unit - 1) / unit) }
	switch {
	case d <= time.Second:
		return "a second"
	case d <= time.Minute:
		return fmt.Sprintf("%d seconds", up(time.Second))
	case d <= 2*time.Hour:
		return fmt.Sprintf("%d minutes", up(time.Minute))
	}
	return fmt.Sprintf("%d hours", up(time.Hour))
}
