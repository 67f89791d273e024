package passkey

import (
	"net/http"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/store"
)

// askFactor shows the page of a sign-in that waits for a passkey.
func (h *handler) askFactor(w http.ResponseWriter, r *http.Request) {
	wt, err := h.flow.Waiting(r)
	if err != nil {
		h.flow.Fail(w, r, err)
		return
	}
	h.showFactor(w, r, wt, nil)
}

func (h *handler) showFactor(w http.ResponseWriter, r *http.Request, wt postern.Waiting, refused *postern.Error) {
	c := h.newCeremony()
	sealed, err := h.seal(r.Context(), c, forVerify, wt.State)
	var rows []row
	if err == nil {
		rows, err = h.all(r.Context(), wt.UserID)
	}
	if err != nil {
		h.flow.Fail(w, r, err)
		return
	}
	verification := preferred
	if wt.StepUp {
		verification = required
	}
	p := h.page("passkey.verify", "Use your passkey", "One more step: use a passkey of your account.")
	form := h.form("verify", wt.State, sealed, "Use my passkey")
	form.Data = formData{PublicKey: h.party.request(c, verification, rows)}.encode()
	if wt.Remember {
		form.Fields = append(form.Fields, h.flow.RememberField())
	}
	p.Forms, p.Links = []postern.Form{form}, wt.Others
	again(&p, refused)
	h.flow.Page(w, r, p)
}

// verify checks the passkey of a waiting sign-in. It must be one of the user of that sign-in; no field of the request
// names one. That a person is there is enough, since another proof came before.
func (h *handler) verify(w http.ResponseWriter, r *http.Request) {
	if err := h.flow.Fields(r, "state", "ceremony", "credential", "remember"); err != nil {
		h.flow.Fail(w, r, err)
		return
	}
	ask := h.flow.Guess
	none := r.PostForm.Get("credential") == ""
	if none { // no script, or no choice: it compares nothing, so it costs no guess
		ask = h.flow.Waiting
	}
	wt, err := ask(r)
	if err != nil {
		h.flow.Fail(w, r, err)
		return
	}
	if none {
		h.showFactor(w, r, wt, errNone)
		return
	}
	c, err := h.open(r, forVerify, wt.State)
	var s shown
	if err == nil {
		s, err = read(r.PostForm.Get("credential"))
	}
	var proof *proof
	if err == nil {
		proof, err = h.prove(r.Context(), c, s, wt.UserID, wt.StepUp)
	}
	if err != nil {
		refused := asRefusal(err)
		if refused == nil {
			h.flow.Fail(w, r, err)
			return
		}
		h.flow.Emit(r.Context(), r, postern.Event{Name: "factor refused", UserID: wt.UserID, Reason: refused.Code, Err: refused.Err})
		h.showFactor(w, r, wt, refused)
		return
	}
	h.warnOfClone(r, proof)
	h.flow.Passed(w, r, postern.Passing{Methods: proof.row.methods(s.verified()), Changes: []store.Change{h.put(wt.UserID, proof.next)}})
}
