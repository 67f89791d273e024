package magic

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/httperr"
	"github.com/posternauth/postern/internal/mailaddr"
)

// An attempt is what the asking browser keeps, sealed: where to look for what was sent to it.
type attempt struct {
	Tag string `json:"tag"`
}

// ask shows the form. It sends nothing: a page that is fetched, by whomever, must not cause a mail.
func (h *handler) ask(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	if _, err := claims(query); err != nil {
		h.flow.Fail(w, r, err)
		return
	}
	typed := query.Get("email")
	if typed == "" {
		typed = query.Get("login_hint")
	}
	if _, err := mailaddr.Parse(typed); err != nil {
		typed = ""
	}
	h.flow.Page(w, r, h.askPage(query, typed))
}

// send sends the mail.
func (h *handler) send(w http.ResponseWriter, r *http.Request) {
	carried, err := claims(r.URL.Query())
	if err != nil {
		h.flow.Fail(w, r, err)
		return
	}
	if !r.PostForm.Has("email") { // and twice it does not get here
		h.flow.Fail(w, r, refusal("invalid_request", "The form is not complete: send one e-mail address (email).", nil))
		return
	}
	typed := r.PostForm.Get("email")
	to, err := mailaddr.Parse(typed)
	if err != nil {
		h.refuseAddress(w, r, typed, err)
		return
	}
	state, err := h.mailTo(w, r, to.String(), carried)
	if err != nil {
		h.refuseMail(w, r, to.String(), err)
		return
	}
	h.sent(w, r, state)
}

// mailTo begins an attempt and mails what ends it. Everything that can be refused is refused first, by limits before
// work, and nothing depends on who the address belongs to.
func (h *handler) mailTo(w http.ResponseWriter, r *http.Request, address string, carried map[string]string) (state string, err error) {
	ctx := r.Context()
	b, err := h.browser(ctx, r)
	if err != nil {
		return "", err
	}
	if err := h.takeMail(ctx, r, address, &b); err != nil {
		return "", err
	}
	tag, err := h.tag(ctx, address)
	if err != nil {
		return "", err
	}
	if state, err = h.flow.Start(w, r, attempt{Tag: tag}); err != nil {
		return "", err
	}
	now := h.now()
	m := Mail{
		To: address, Name: h.config.Name, Life: h.config.Life, Time: now.UTC(), Claims: carried,
		Device: device(r.UserAgent()), Language: language(r.Header.Get("Accept-Language")),
	}
	s := slot{
		Flow: hash(state), Browser: hash(b.ID), Known: b.knows(address, now), Until: now.Add(h.config.Life).UnixMilli(),
	}
	if err := h.fill(ctx, tag, state, &m, &s); err != nil {
		return "", err
	}
	l := letter{Address: address, Device: m.Device, Claims: carried, Query: rest(r.URL.Query()), Sent: now.UnixMilli()}
	if err := h.keep(ctx, tag, s, l); err != nil {
		return "", err
	}
	if err := h.setBrowser(ctx, w, b); err != nil {
		return "", err
	}
	return state, h.post(ctx, r, m)
}

// fill makes the link and the code, into the mail in clear and into the slot as MACs.
func (h *handler) fill(ctx context.Context, tag, state string, m *Mail, s *slot) error {
	if h.link {
		token, err := newToken(h.config.Rand, tag)
		if err != nil {
			return err
		}
		if s.Link, err = h.mac(ctx, forLink, m.To, s.Flow, token); err != nil {
			return err
		}
		m.Link = h.flow.URL("callback") + "?" + url.Values{"state": {state}, "token": {token}}.Encode()
	}
	if h.code {
		code, err := newCode(h.config.Rand)
		if err != nil {
			return err
		}
		if s.Code, err = h.mac(ctx, forCode, m.To, s.Flow, code); err != nil {
			return err
		}
		m.Code = code
	}
	return nil
}

// post sends the message. It fails only if nothing can be sent to anybody; that one address does not take mail is logged
// and not told.
func (h *handler) post(ctx context.Context, r *http.Request, m Mail) error {
	msg := h.config.Compose(m)
	msg.To, msg.Link, msg.Code, msg.Subject = m.To, m.Link, m.Code, oneLine(msg.Subject)
	masked := mask(m.To)
	err := h.config.Send(ctx, msg)
	if err == nil {
		h.flow.Emit(ctx, r, postern.Event{Name: "mail sent", Subject: masked})
		return nil
	}
	said := scrub(err, m, masked)
	h.config.Logger.ErrorContext(ctx, "magic: mail not sent", slog.String("provider", h.flow.Name()),
		slog.String("to", masked), slog.String("error", said.Error()))
	h.flow.Emit(ctx, r, postern.Event{Name: "mail failed", Subject: masked, Err: said})
	if errors.Is(err, ErrUnavailable) {
		return fmt.Errorf("%w: %w", ErrUnavailable, said)
	}
	return nil
}

// scrub takes out of an error of Send what belongs into no log. Mail servers repeat the address in their answers.
func scrub(err error, m Mail, masked string) error {
	pairs := []string{m.To, masked}
	if m.Link != "" {
		token := m.Link[strings.LastIndexByte(m.Link, '=')+1:]
		pairs = append(pairs, m.Link, "[link]", token, "[token]")
	}
	if m.Code != "" {
		pairs = append(pairs, m.Code, "[code]")
	}
	return errors.New(strings.NewReplacer(pairs...).Replace(err.Error()))
}

// sent answers the POST: a page of its own URL, so that loading it again sends nothing again.
func (h *handler) sent(w http.ResponseWriter, r *http.Request, state string) {
	httperr.NoStore(w.Header())
	if wantsJSON(r) {
		body, _ := json.Marshal(map[string]string{"status": "sent", "state": state}) // two strings cannot fail
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(append(body, '\n')) // a client that has gone needs no answer
		return
	}
	w.Header().Set("Location", h.flow.URL("callback")+"?"+url.Values{"state": {state}}.Encode())
	w.WriteHeader(http.StatusSeeOther)
}

// rest is the query of authorize but for the address: to begin again with.
func rest(query url.Values) string {
	query = url.Values(http.Header(query).Clone())
	query.Del("email")
	query.Del("login_hint")
	return query.Encode()
}

func (h *handler) againURL(query string) string {
	if query == "" {
		return h.flow.URL("authorize")
	}
	return h.flow.URL("authorize") + "?" + query
}

// refuseAddress shows the form again.
func (h *handler) refuseAddress(w http.ResponseWriter, r *http.Request, typed string, err error) {
	text := "This is not a mail address."
	var why *mailaddr.Error
	if errors.As(err, &why) {
		text = why.Text
	}
	if len(typed) > mailaddr.MaxLength {
		typed = ""
	}
	h.again(w, r, refusal("invalid_email", text, err), h.askPage(r.URL.Query(), typed))
}
