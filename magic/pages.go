package magic

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/limit"
	"github.com/posternauth/postern/internal/mailaddr"
	"github.com/posternauth/postern/internal/words"
)

// askPage asks for the address. The form goes to the same URL, so the parameters of authorize stay with it.
func (h *handler) askPage(query url.Values, typed string) postern.Page {
	page := postern.Page{
		Name:  "magic.ask",
		Args:  map[string]any{"app": h.config.Name, "sends": h.sends()},
		Title: "Sign in to {app}",
		Forms: []postern.Form{*h.askForm(query, typed)},
		Links: h.flow.OtherWays(rest(query)),
	}
	switch h.sends() {
	case "both":
		page.Text = "We will email you a link and a code. No password is needed."
	case "code":
		page.Text = "We will email you a code. No password is needed."
	default:
		page.Text = "We will email you a link. No password is needed."
	}
	return page
}

// page shows a page under the name of this provider.
func (h *handler) page(w http.ResponseWriter, r *http.Request, p postern.Page) {
	p.App = h.config.Name
	h.flow.Page(w, r, p)
}

// Sends is what is mailed, by which the provider is named among others: "link", "code" or "both".
func (h *handler) Sends() string { return h.sends() }

// sends is what is mailed, for programs.
func (h *handler) sends() string {
	switch {
	case h.link && h.code:
		return "both"
	case h.code:
		return "code"
	}
	return "link"
}

func (h *handler) askForm(query url.Values, typed string) *postern.Form {
	form := &postern.Form{
		Name:   "mail",
		Action: h.againURL(rest(query)),
		Fields: []postern.Field{{
			Name: "email", Label: "Email address", Type: "email", Value: typed, Autocomplete: "email", InputMode: "email",
			MaxLength: mailaddr.MaxLength, Required: true,
		}},
	}
	switch h.sends() {
	case "both":
		form.Submit = "Email me a link and a code"
	case "code":
		form.Submit = "Email me a code"
	default:
		form.Submit = "Email me a link"
	}
	return form
}

// Form is the form of askPage, for the page that lists the providers.
func (h *handler) Form(r *http.Request) *postern.Form {
	query := r.URL.Query()
	if _, err := claims(query); err != nil {
		return nil
	}
	query.Del("provider")
	return h.askForm(query, h.hinted(r))
}

// FormFor is Form for an address that was typed on the page before. There is none for a username.
func (h *handler) FormFor(_ http.ResponseWriter, r *http.Request, identifier string) (*postern.Form, []postern.Link, error) {
	if _, err := mailaddr.ParseTyped(identifier); err != nil {
		return nil, nil, nil
	}
	form := h.Form(r)
	if form != nil {
		form.Hidden, form.Fields = map[string]string{"email": identifier}, nil
	}
	return form, nil, nil
}

// showSent is the page after the mail was asked for, in the browser that asked. It shows the whole address, which was
// typed there: the person sees a mistake in it. Pages that a link opens show it masked.
func (h *handler) showSent(w http.ResponseWriter, r *http.Request) {
	var a attempt
	if err := h.flow.Peek(r, &a); err != nil {
		h.flow.Fail(w, r, err)
		return
	}
	state := r.URL.Query().Get("state")
	others := elsewhereLimit(a.Tag)
	all, items, err := h.read(r.Context(), a.Tag, others)
	var b *slotRecord
	if err == nil {
		b, err = h.pick(r.Context(), all, a.mail(state))
	}
	if errors.Is(err, errNotFound) && a.Held != nil {
		elsewhere, err := limit.Decode(items, others)
		if err != nil {
			h.refuseLink(w, r, nil, err)
			return
		}
		h.page(w, r, h.heldPage(a, all, elsewhere.Left(h.now()) > 0))
		return
	}
	if err == nil {
		err = b.state(h.now(), true)
	}
	switch {
	case err != nil && h.code:
		h.refuseCode(w, r, a, b, state, err)
	case err != nil:
		h.refuseLink(w, r, b, err)
	case b.slot.Code != "" && b.slot.Tries < maxTries:
		h.page(w, r, h.codePage(a, b, state))
	case b.slot.Link == "":
		h.refuseCode(w, r, a, b, state, errTries)
	default:
		h.page(w, r, h.sentPage(a, b))
	}
}

// heldPage is the page after no mail was sent because enough were: it names the mail that this browser can still use,
// or when to ask again. elsewhere reports whether links of the address still work in browsers that did not ask.
func (h *handler) heldPage(a attempt, all []slotRecord, elsewhere bool) postern.Page {
	now := h.now()
	page := postern.Page{
		Name:  "magic.held",
		Args:  map[string]any{"to": a.Held.To, "next": max(0, a.Held.wait(now)).Round(time.Second)},
		Title: "Check your mail",
		Text:  "No new mail was sent: enough have been sent to {to}.",
		Links: h.anotherMail(a.Held.Query),
	}
	usable := slices.ContainsFunc(all, func(b slotRecord) bool {
		return b.item.Version != "" && b.live(now) && b.slot.Link != "" && b.slot.Elsewhere == ""
	})
	if usable && elsewhere && !h.onlyHere() {
		page.Text = words.Paragraphs(page.Text, "Open the link in the newest mail: it works in this browser too.")
	}
	if a.Held.wait(now) > 0 {
		page.Text = words.Paragraphs(page.Text, "You can ask for another mail in {next}.")
	} else {
		page.Text = words.Paragraphs(page.Text, "You can ask for another mail now.")
	}
	return page
}

func (e *held) wait(now time.Time) time.Duration { return time.UnixMilli(e.Next).Sub(now) }

func (h *handler) sentPage(a attempt, b *slotRecord) postern.Page {
	return h.afterEarlier(a, postern.Page{
		Name:  "magic.sent",
		Args:  h.sentArgs(a, b),
		Title: "Check your mail",
		Text:  "We sent a link to {to}. Open it in this browser; it works once, within the next {left}.",
		Links: h.anotherMail(b.Query),
	})
}

// sentArgs are the values of a page after a mail was sent. "before" is how long ago the earlier mail was sent, if no
// new one was.
func (h *handler) sentArgs(a attempt, b *slotRecord) map[string]any {
	args := map[string]any{"to": b.Address, "left": time.UnixMilli(b.slot.Until).Sub(h.now()).Round(time.Second)}
	if a.Held != nil {
		args["before"] = h.now().Sub(time.UnixMilli(b.Sent)).Round(time.Second)
	}
	return args
}

// afterEarlier adds to a page, where no new mail was sent, that the earlier one is good.
func (h *handler) afterEarlier(a attempt, page postern.Page) postern.Page {
	if a.Held != nil {
		page.Text = words.Paragraphs("No new mail was sent: the one of {before} ago is still good.", page.Text)
	}
	return page
}

func (h *handler) codePage(a attempt, b *slotRecord, state string) postern.Page {
	page := postern.Page{
		Name:  "magic.code",
		Args:  h.sentArgs(a, b),
		Title: "Check your mail",
		Text:  "We sent a code to {to}. It works once, in this browser, within the next {left}.",
		Forms: []postern.Form{{
			Name:   "code",
			Action: h.flow.URL("callback"),
			Hidden: map[string]string{"state": state},
			Fields: []postern.Field{{
				Name: "code", Label: "{digits}-digit code", Type: "text", Autocomplete: "one-time-code", InputMode: "numeric",
				Pattern: `[0-9 \-]*`, MaxLength: 20, Required: true,
			}},
			Submit: "Sign in",
		}},
		Links: h.anotherMail(b.Query),
	}
	page.Args["digits"], page.Args["sends"] = digits(b), "code"
	if b.slot.Link != "" {
		page.Args["sends"] = "both"
		page.Text = "We sent a code and a link to {to}. Type the code here or open the link; they work once, within the next {left}."
	}
	return h.afterEarlier(a, page)
}

// digits is the length of the mail's code.
func digits(b *slotRecord) int { return cmp.Or(b.Digits, codeDigits) }

func (h *handler) anotherMail(query string) []postern.Link {
	return []postern.Link{{Name: "again", Text: "Send another mail, or use another address", URL: h.againURL(query)}}
}

// linkPage is the page that a link opens. The form of another browser has a field more: the button of one page never
// does what only the other page explains.
func (h *handler) linkPage(b *slotRecord, state, token string, here bool) postern.Page {
	page := postern.Page{
		Name:  "magic.link",
		Args:  map[string]any{"to": mask(b.Address), "ago": h.now().Sub(time.UnixMilli(b.Sent)).Round(time.Second), "device": b.Device},
		Title: "Continue as {to}",
		Text:  "You asked for this link {ago} ago in this browser ({device}).",
		Links: []postern.Link{{Name: "cancel", Text: "Cancel", URL: h.againURL(b.Query)}},
		Forms: []postern.Form{{
			Name:   "link",
			Action: h.flow.URL("callback"),
			Hidden: map[string]string{"state": state, "token": token},
			Submit: "Continue as {to}",
		}},
	}
	switch {
	case !here:
		page.Name = "magic.link-elsewhere"
		page.Title = "Sign in here as {to}?"
		page.Text = "This link was asked for {ago} ago in another browser ({device}). The button signs in this browser only, " +
			"not the one that asked. If you did not ask for the link, or somebody sent it to you, close this page."
		if b.slot.Code != "" {
			page.Text = words.Paragraphs(page.Text, "To sign in the browser that asked, type the code from the mail there.")
		}
		page.Forms[0].Hidden["browser"] = "this"
		page.Forms[0].Submit = "Sign in here as {to}"
		page.Links[0].URL = h.againURL("") // what the other browser asked for stays there
	case b.slot.Elsewhere != "":
		page.Name = "magic.link-used-elsewhere"
		page.Text = words.Paragraphs(page.Text, "The link has been used in another browser since. If that was neither you nor a program "+
			"that checks your mail, somebody else reads your mail.")
	}
	return page
}
