package postern

import (
	"net/http"
	"net/url"
)

func (a *Auth) accountForms() formShelf { return formShelf{a, "account"} }

func (v accountView) owner() formOwner {
	return formOwner{v.live.subject, v.live.id, v.head.Sec, v.live.auth.Time}
}

// keepForm keeps a form of the account until the person comes back from the step-up.
func (a *Auth) keepForm(w http.ResponseWriter, r *http.Request, name string, values url.Values) error {
	l, h, answered, err := a.signedIn(w, r, 0)
	if answered {
		return errAnswered
	}
	if err != nil {
		return err
	}
	return a.accountForms().keep(w, r, formOwner{l.subject, l.id, h.Sec, l.auth.Time}, name, values)
}

// useResume marks a form that waited as used, and reports whether it was the first time.
func (a *Auth) useResume(w http.ResponseWriter, r *http.Request, id string) (first bool, err error) {
	v, err := a.accountViewer(w, r, false)
	if err != nil {
		return false, err
	}
	return a.accountForms().use(r, v.owner(), id)
}

// showResume shows the form that waited. It does nothing.
func (a *Auth) showResume(w http.ResponseWriter, r *http.Request) error {
	v, err := a.accountViewer(w, r, false)
	if err != nil {
		return a.accountRefused(w, r, "", err)
	}
	k, ok, err := a.accountForms().waiting(r, v.owner())
	if err != nil {
		return a.accountRefused(w, r, "", err)
	}
	d, known := a.accountDeeds()[k.Deed]
	if !ok || !known || d.form == nil {
		a.leadOn(w, a.accountURL("?done=lost"))
		return nil
	}
	p, err := d.form(r, v, k.values())
	if err != nil || len(p.Forms) == 0 {
		seeOther(w, a.accountURL(d.menu))
		return nil
	}
	p.Name = "postern.resume"
	p.Notice = "Thank you, it is you. Nothing was changed yet."
	form := p.Forms[0]
	hidden := map[string]string{"resume": k.ID}
	for name, value := range form.Hidden {
		hidden[name] = value
	}
	form.Hidden, form.Submit = hidden, "Continue"
	p.Forms = []Form{form}
	a.showAccountPage(w, r, d.menu, p)
	return nil
}
