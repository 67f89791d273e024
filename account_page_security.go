package postern

import (
	"context"
	"net/http"
	"net/url"
	"slices"

	"github.com/posternauth/postern/internal/words"
)

// frozenSection says that the account is frozen, and how that ends.
func (a *Auth) frozenSection(v accountView) []Section {
	if !v.head.Frozen {
		return nil
	}
	return []Section{{Name: "frozen", Title: "Some ways to sign in are refused",
		Text: "A change of your account was undone. Ways to sign in that were added between the change and the undo do not work, since a thief may have added them. " +
			"Look at what your account has, and remove what is not yours. If everything is yours, let it work again.",
		Forms: []Form{{Name: "thaw", Action: a.accountURL("thaw"), Submit: "Everything here is mine", Danger: true}}}}
}

func (a *Auth) thawForm(*http.Request, accountView, url.Values) (Page, error) {
	return Page{Name: "postern.account-thaw", Title: "Let everything work again", Text: "Every way to sign in that your account has works again.", Links: a.cancel("security"),
		Forms: []Form{{Action: a.accountURL("thaw"), Submit: "Everything here is mine", Danger: true}}}, nil
}

func (a *Auth) doThaw(w http.ResponseWriter, r *http.Request, _ url.Values) (string, error) {
	return "security?done=thaw", a.thaw(w, r, "")
}

// securityPage is how the person signs in.
func (a *Auth) securityPage(r *http.Request, v accountView) (Page, error) {
	p := Page{Name: "postern.account-security", Title: "How you sign in"}
	p.Sections = append(p.Sections, a.frozenSection(v)...)
	credentials, err := a.credentialSections(r, v)
	if err != nil {
		return p, err
	}
	p.Sections = append(p.Sections, credentials...)
	for _, more := range []func(*http.Request, accountView) (Section, bool, error){a.identitySection, a.browserSection, a.noticeSection} {
		s, has, err := more(r, v)
		if err != nil {
			return p, err
		}
		if has {
			p.Sections = append(p.Sections, s)
		}
	}
	return p, nil
}

// credentialSections are the password, the passkeys and the factors. Each leads to the pages of its provider.
func (a *Auth) credentialSections(r *http.Request, v accountView) (list []Section, err error) {
	for _, name := range a.order {
		h := a.flows[name].handler
		m, ok := h.(Manager)
		s, is := h.(StepUpper)
		if !ok || !is {
			continue
		}
		to := a.issuer + "/" + name + "/" + m.Manage()
		switch s.StepUp() {
		case "password":
			s := Section{Name: name, Title: "Password", Text: "You have no password.", Links: []Link{{Name: "set", Text: "Choose a password", URL: to}}}
			if v.head.Ways.Passwords > 0 {
				s.Text, s.Links = "You sign in with your password.", []Link{{Name: "change", Text: "Change the password", URL: to}}
			}
			list = append(list, s)
		case "passkey":
			s := Section{Name: name, Title: "Passkeys", Text: "You have {passkeys, plural, =0 {no passkeys} one {# passkey} other {# passkeys}}.",
				Args: map[string]any{"passkeys": v.head.Ways.Passkeys}}
			if k, ok := h.(interface {
				AccountLines(ctx context.Context, userID string) ([]Line, error)
			}); ok {
				if s.Lines, err = k.AccountLines(r.Context(), v.live.subject); err != nil {
					return nil, err
				}
			}
			if v.head.Ways.Passkeys > 0 {
				s.Links = append(s.Links, Link{Name: "list", Text: "Your passkeys", URL: to})
			}
			s.Links = append(s.Links, Link{Name: "enroll", Text: "Add a passkey", URL: a.issuer + "/" + name + "/enroll"})
			list = append(list, s)
		}
	}
	if s := a.factorSection(v); len(s.Lines) > 0 {
		list = append(list, s)
	}
	return list, nil
}

// factorSection lists what is asked for after the first proof. Passkeys have their own section.
func (a *Auth) factorSection(v accountView) Section {
	s := Section{Name: "factors", Title: "Second step", Text: "After the first step of a sign-in you are asked for one of these, if you have set one up."}
	for _, k := range a.factors {
		if k.way {
			continue
		}
		n := v.head.Factors[k.name]
		if k.info.Backup {
			n = v.head.Backups[k.name]
		}
		l := Line{Label: "{factor}", Value: Phrase("Not set up"), Args: map[string]any{"factor": factorTitle(k), "count": n}}
		switch {
		case n > 0 && k.info.Backup:
			l.Value = Phrase("{count, plural, one {# left} other {# left}}")
		case n > 0:
			l.Value = Phrase("Set up")
		}
		m, manages := a.flows[k.flow].handler.(Manager)
		switch {
		case n > 0 && manages:
			l.Link = &Link{Name: "manage", Text: "Change", URL: a.stepOf(k, m.Manage(), "")}
		case k.info.Backup && !v.head.Due():
			l.Note = "Set up another second step first."
		case n == 0 && !k.info.NoEnroll:
			l.Link = &Link{Name: "enroll", Text: "Set up", URL: a.stepOf(k, "enroll", "")}
		}
		s.Lines = append(s.Lines, l)
	}
	return s
}

// factorTitle is what a factor is called in a list.
func factorTitle(k factor) Phrase {
	switch {
	case k.info.Backup:
		return "Recovery codes"
	case k.shownIn([]string{"otp"}):
		return "Authenticator app"
	}
	return Phrase(k.label)
}

// noticeSection says which mails the person gets about the security of the account, and where. There is no switch for
// them: a thief would turn them off first.
func (a *Auth) noticeSection(r *http.Request, v accountView) (s Section, has bool, err error) {
	if a.mail == nil {
		return s, false, nil
	}
	s = Section{Name: "notices", Title: "Mails about security", Text: words.Paragraphs(
		"We write to you when a way to sign in is added, changed or removed, when your addresses change, and when somebody fails at the second step several times.",
		"These mails cannot be turned off. They are how you notice when somebody else does such a thing.")}
	all, err := a.noticeAddresses(r.Context(), v.Person)
	if err != nil {
		return s, false, err
	}
	for _, address := range all {
		l := Line{Label: "Sent to", Value: address}
		if !slices.ContainsFunc(v.Addresses, func(own Address) bool { return own.Value == address }) {
			l.Note = "You gave up this address a few days ago."
		}
		s.Lines = append(s.Lines, l)
	}
	if len(all) == 0 {
		s.Text = words.Paragraphs(s.Text, "Your account has no verified address, so nobody gets them.")
	}
	return s, true, nil
}
