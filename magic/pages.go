package magic

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/limit"
	"github.com/posternauth/postern/internal/mailaddr"
)

// askPage asks for the address. The form goes to the same URL, so the parameters of authorize stay with it.
func (h *handler) askPage(query url.Values, typed string) postern.Page {
	return postern.Page{
		Name:  "magic.ask",
		Args:  map[string]any{"app": h.config.Name, "sends": h.sends()},
		Title: "Sign in to " + h.config.Name,
		Text:  "We will email you " + h.what() + ". No password is needed.",
		Forms: []postern.Form{*h.askForm(query, typed)},
		Links: h.flow.OtherWays(rest(query)),
	}
}

// page shows a page under the name of this provider.
func (h *handler) page(w http.ResponseWriter, r *http.Request, p postern.Page) {
	p.App = h.config.Name
	h.flow.Page(w, r, p)
}

// what is the thing that is mailed.
func (h *handler) what() string {
	switch {
	case h.link && h.code:
		return "a link and a code"
	case h.code:
		return "a code"
	}
	return "a link"
}

// sends is what for programs.
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
	return &postern.Form{
		Name:   "mail",
		Action: h.againURL(rest(query)),
		Fields: []postern.Field{{
			Name: "email", Label: "Email address", Type: "email", Value: typed, Autocomplete: "email", InputMode: "email",
			MaxLength: mailaddr.MaxLength, Required: true,
		}},
		Submit: "Email me " + h.what(),
	}
}

// Form is the form of askPage, for the page that lists the providers.
func (h *handler) Form(r *http.Request) *postern.Form {
	query := r.URL.Query()
	if _, err := claims(query); err != nil {
		return nil
	}
	query.Del("provider")
	return h.askForm(query, hinted(query))
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
	text := fmt.Sprintf("No new mail was sent: enough have been sent to %s. ", a.Held.To)
	usable := slices.ContainsFunc(all, func(b slotRecord) bool {
		return b.item.Version != "" && b.live(now) && b.slot.Link != "" && b.slot.Elsewhere == ""
	})
	if usable && elsewhere && !h.onlyHere() {
		text += "Open the link in the newest one: it works in this browser too. "
	}
	return postern.Page{
		Name:  "magic.held",
		Args:  map[string]any{"to": a.Held.To, "next": max(0, a.Held.wait(now)).Round(time.Second)},
		Title: "Check your mail",
		Text:  text + h.nextMail(a),
		Links: h.anotherMail(a.Held.Query),
	}
}

// nextMail names the time from which another mail can be sent.
func (h *handler) nextMail(a attempt) string {
	wait := a.Held.wait(h.now())
	if wait <= 0 {
		return "You can ask for another mail now."
	}
	return "You can ask for another mail in " + roughly(wait) + "."
}

func (e *held) wait(now time.Time) time.Duration { return time.UnixMilli(e.Next).Sub(now) }

func (h *handler) sentPage(a attempt, b *slotRecord) postern.Page {
	return postern.Page{
		Name:  "magic.sent",
		Args:  h.sentArgs(a, b),
		Title: "Check your mail",
		Text: fmt.Sprintf(h.sentBefore(a, b)+"We sent a link to %s. Open it in this browser; it works once, within the next %s.",
			b.Address, h.left(b)),
		Links: h.anotherMail(b.Query),
	}
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

// sentBefore says, where no new mail was sent, that the earlier one is good.
func (h *handler) sentBefore(a attempt, b *slotRecord) string {
	if a.Held == nil {
		return ""
	}
	return "No new mail was sent: the one of " + roughly(h.now().Sub(time.UnixMilli(b.Sent))) + " ago is still good. "
}

func (h *handler) codePage(a attempt, b *slotRecord, state string) postern.Page {
	text := "We sent a code to %s. It works once, in this browser, within the next %s."
	if b.slot.Link != "" {
		text = "We sent a code and a link to %s. Type the code here or open the link; they work once, within the next %s."
	}
	args := h.sentArgs(a, b)
	args["digits"], args["sends"] = cmp.Or(b.Digits, codeDigits), "code"
	if b.slot.Link != "" {
		args["sends"] = "both"
	}
	return postern.Page{
		Name:  "magic.code",
		Args:  args,
		Title: "Check your mail",
		Text:  fmt.Sprintf(h.sentBefore(a, b)+text, b.Address, h.left(b)),
		Forms: []postern.Form{{
			Name:   "code",
			Action: h.flow.URL("callback"),
			Hidden: map[string]string{"state": state},
			Fields: []postern.Field{{
				Name: "code", Label: digits(b) + "-digit code", Type: "text", Autocomplete: "one-time-code", InputMode: "numeric",
				Pattern: `[0-9 \-]*`, MaxLength: 20, Required: true,
			}},
			Submit: "Sign in",
		}},
		Links: h.anotherMail(b.Query),
	}
}

// digits is the length of the mail's code.
func digits(b *slotRecord) string {
	if b.Digits == longDigits {
		return strconv.Itoa(longDigits)
	}
	return strconv.Itoa(codeDigits)
}

func (h *handler) anotherMail(query string) []postern.Link {
	return []postern.Link{{Name: "again", Text: "Send another mail, or use another address", URL: h.againURL(query)}}
}

// linkPage is the page that a link opens. The form of another browser has a field more: the button of one page never
// does what only the other page explains.
func (h *handler) linkPage(b *slotRecord, state, token string, here bool) postern.Page {
	who, ago := mask(b.Address), roughly(h.now().Sub(time.UnixMilli(b.Sent)))
	form := postern.Form{
		Name:   "link",
		Action: h.flow.URL("callback"),
		Hidden: map[string]string{"state": state, "token": token},
		Submit: "Continue as " + who,
	}
	page := postern.Page{
		Name:  "magic.link",
		Args:  map[string]any{"to": who, "ago": h.now().Sub(time.UnixMilli(b.Sent)).Round(time.Second), "device": b.Device},
		Title: "Continue as " + who,
		Text:  fmt.Sprintf("You asked for this link %s ago in this browser (%s).", ago, b.Device),
		Links: []postern.Link{{Name: "cancel", Text: "Cancel", URL: h.againURL(b.Query)}},
	}
	switch {
	case !here:
		page.Name = "magic.link-elsewhere"
		page.Title = "Sign in here as " + who + "?"
		page.Text = fmt.Sprintf("This link was asked for %s ago in another browser (%s). The button signs in this browser only, "+
			"not the one that asked. If you did not ask for the link, or somebody sent it to you, close this page.", ago, b.Device)
		if b.slot.Code != "" {
			page.Text += " To sign in the browser that asked, type the code from the mail there."
		}
		form.Hidden["browser"] = "this"
		form.Submit = "Sign in here as " + who
		page.Links[0].URL = h.againURL("") // what the other browser asked for stays there
	case b.slot.Elsewhere != "":
		page.Name = "magic.link-used-elsewhere"
		page.Text += " It has been used in another browser since. If that was neither you nor a program that checks your mail, " +
			"somebody else reads your mail."
	}
	page.Forms = []postern.Form{form}
	return page
}

// left is the time for which the mail still works, in words.
func (h *handler) left(b *slotRecord) string {
	return roughly(time.UnixMilli(b.slot.Until).Sub(h.now()))
}

// roughly writes a duration in words, to the minute or the hour, rounded up.
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
