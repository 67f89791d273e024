package passkey

import (
	"net/http"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/store"
)

// alwaysForm asks whether a passkey is due after each other proof, or is no more.
func (h *handler) alwaysForm(s *state) postern.Form {
	f := postern.Form{Name: "ask", Title: "Ask for a passkey each time", Action: h.flow.URL("ask"), Hidden: map[string]string{"ask": "on"}, Submit: "Ask me each time"}
	if h.always(s) {
		f.Hidden["ask"], f.Submit = "off", "Do not ask me any more"
	}
	return f
}

func (h *handler) always(s *state) bool { return s.head.Factors[h.flow.Name()] > 0 }

// askAlways makes a passkey due after each sign-in in another way, or ends that.
func (h *handler) askAlways(w http.ResponseWriter, r *http.Request) {
	if err := h.flow.Fields(r, "ask", "ceremony", "credential"); err != nil {
		h.flow.Fail(w, r, err)
		return
	}
	ask := r.PostForm.Get("ask")
	if ask != "on" && ask != "off" { // an empty form makes nothing less safe
		h.flow.Fail(w, r, &postern.Error{Status: http.StatusBadRequest, Code: "invalid_request", Text: "The form is not complete. Please start again."})
		return
	}
	who, ok := h.flow.Person(w, r, proofAge)
	if !ok {
		return
	}
	s, err := h.load(r.Context(), who.ID, "")
	if err != nil {
		h.flow.Fail(w, r, err)
		return
	}
	on := ask == "on"
	switch {
	case on == h.always(s):
		h.showList(w, r, who, "passkey.list", "Nothing was changed.")
	case on && !r.PostForm.Has("ceremony"):
		h.showAlways(w, r, who, nil)
	case on:
		h.beginAlways(w, r, who)
	default:
		h.setAlways(w, r, who, "Passkeys are not asked for any more after another sign-in.", postern.Enrolment{
			Count: -s.head.Factors[h.flow.Name()], Event: "passkey not asked", Notice: noticeNotAsked(),
		})
	}
}

// beginAlways checks a passkey first, so that nobody shuts themselves out with one that is lost.
func (h *handler) beginAlways(w http.ResponseWriter, r *http.Request, who postern.Person) {
	c, err := h.open(r, forAlways, bindTo(who.ID, ""))
	var s shown
	if err == nil {
		s, err = read(r.PostForm.Get("credential"))
	}
	var proof *proof
	if err == nil {
		proof, err = h.prove(r.Context(), c, s, who.ID, true)
	}
	if err != nil {
		if refused := asRefusal(err); refused != nil {
			h.showAlways(w, r, who, refused)
			return
		}
		h.flow.Fail(w, r, err)
		return
	}
	h.warnOfClone(r, proof)
	h.setAlways(w, r, who, "A passkey is asked for after each other sign-in from now on.", postern.Enrolment{
		Count: 1, Methods: proof.row.methods(true), Changes: []store.Change{h.put(who.ID, proof.next), h.burnt(who.ID, c)},
		Event: "passkey asked", Notice: noticeAsked(),
	})
}

func (h *handler) setAlways(w http.ResponseWriter, r *http.Request, who postern.Person, done string, e postern.Enrolment) {
	if _, err := h.flow.Enroll(w, r, e); err != nil {
		h.flow.Fail(w, r, unavailable(err))
		return
	}
	h.showList(w, r, who, "passkey.set", done)
}

func (h *handler) showAlways(w http.ResponseWriter, r *http.Request, who postern.Person, refused *postern.Error) {
	c := h.newCeremony()
	sealed, err := h.seal(r.Context(), c, forAlways, bindTo(who.ID, ""))
	var rows []row
	if err == nil {
		rows, err = h.all(r.Context(), who.ID)
	}
	if err != nil {
		h.flow.Fail(w, r, err)
		return
	}
	p := h.page("passkey.ask", "Ask for a passkey each time", "After a sign-in in another way you will need one of your passkeys. Show one now.")
	form := h.form("ask", "", sealed, "Use my passkey")
	form.Hidden["ask"], form.Data = "on", formData{PublicKey: h.party.request(c, required, rows)}.encode()
	p.Forms, p.Links = []postern.Form{form}, []postern.Link{{Name: "list", Text: "Your passkeys", URL: h.flow.URL("list")}}
	again(&p, refused)
	h.flow.Page(w, r, p)
}
