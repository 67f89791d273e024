package postern

import (
	"io"
	"net/http"
	"slices"
)

// A Composer writes mails. Config.Composer has one.
type Composer interface {
	// Compose returns a mail with the Subject, Text, HTML and ContentLanguage that people get, in the language that
	// fits Mail.Language best. It is called for each mail before Config.Mail, and for a preview.
	Compose(Mail) (Mail, error)

	// Languages returns the tags of the languages in which it writes, such as "de", with the one for everybody else
	// first. A Composer with a method LanguageName(tag string) string also says what one is called in itself, such as
	// "Deutsch": the console then shows that.
	Languages() []string
}

// A MailSample is a mail that a program can send, with values that belong to nobody. The console shows it, and sends it
// to the administrator who asks for it.
type MailSample struct {
	Mail Mail   // without To and Language; a link in it leads to a page that does nothing
	When string // what makes the program send it: a text for administrators, see [Page]
}

// A MailSampler is the handler of a provider that shows which mails it can send. Make a sample with the function that
// makes the mail, so that both are the same.
type MailSampler interface {
	MailSamples() []MailSample
}

// MailSamples returns a sample of each mail that this program can send: those of the handler itself, and those of the
// providers and factors whose handlers are a [MailSampler].
func (f *Flow) MailSamples() []MailSample {
	all := f.auth.mailSamples()
	seen := map[string]bool{}
	add := func(list []MailSample) {
		for _, s := range list {
			if key := s.Mail.Name + "\x00" + s.When; !seen[key] { // two providers of a package send the same mail
				seen[key] = true
				all = append(all, s)
			}
		}
	}
	for _, name := range f.auth.order {
		if p, ok := f.auth.flows[name].handler.(MailSampler); ok {
			add(p.MailSamples())
		}
	}
	for _, k := range f.auth.factors {
		if p, ok := f.auth.flows[k.flow].handler.(MailSampler); ok {
			add(p.MailSamples())
		}
	}
	return all
}

// NoticeMail returns the mail that [Flow.Notify] sends, for a sample.
func (f *Flow) NoticeMail(n Notice) Mail { return f.auth.sampleNotice(f.noticeOf(n)) }

// sampleNotice is a notice as the addresses get it that may stop what it is about.
func (a *Auth) sampleNotice(n notice) Mail {
	if !n.byAdmin {
		n.device, n.address = sampleDevice, "192.0.2.1"
	}
	if n.link == "" && !n.last {
		n.notMe = a.issuer + "/authorize"
	}
	return a.noticeMail(n)
}

// MailLanguages returns the languages in which mails are written: those of Config.Composer, or English alone.
func (f *Flow) MailLanguages() []string {
	if f.auth.composer == nil {
		return []string{"en"}
	}
	return slices.Clone(f.auth.composer.Languages())
}

// LanguageName is what a language of MailLanguages is called in itself, such as "Deutsch", or the tag.
func (f *Flow) LanguageName(tag string) string {
	if c, ok := f.auth.composer.(interface{ LanguageName(tag string) string }); ok {
		return c.LanguageName(tag)
	}
	return tag
}

// PreviewMail returns a mail as Config.Mail gets it.
func (f *Flow) PreviewMail(m Mail) (Mail, error) { return f.auth.compose(m.inEnglish()) }

// compose returns a mail as people get it.
func (a *Auth) compose(m Mail) (Mail, error) {
	if a.composer == nil {
		return m, nil
	}
	return a.composer.Compose(m)
}

// samplePolicy is the Content-Security-Policy of the HTML part of a mail: the styles that are in it count, and nothing
// of it runs, is sent, or is loaded.
const samplePolicy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox"

// ShowMailPart answers with a part of a mail alone: its HTML, in a sandbox, or its text.
func (f *Flow) ShowMailPart(w http.ResponseWriter, r *http.Request, m Mail, html bool) {
	h := w.Header()
	f.auth.harden(h)
	h.Set("Content-Security-Policy", samplePolicy)
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", permissions)
	kind, body := "text/plain; charset=utf-8", m.Text
	if html {
		kind, body = "text/html; charset=utf-8", m.HTML
	}
	h.Set("Content-Type", kind)
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		_, _ = io.WriteString(w, body) // a client that has gone needs no answer
	}
}

// sampleDevice and sampleCode are values of a sample.
const (
	sampleDevice Phrase = "Firefox on Windows"
	sampleCode   string = "12345678"
)

// testMail is the mail that says that mails arrive.
func (a *Auth) testMail() Mail {
	return Mail{Name: "postern.test", Args: map[string]any{"app": a.name, "time": a.sessions.Now().UTC()},
		Subject: "Test mail of {app}", Parts: []MailPart{{Text: "This is the test mail that you asked for. Mail of {app} arrives."}}}
}

// mailSamples are the mails of the handler itself.
func (a *Auth) mailSamples() []MailSample {
	link := a.issuer + "/authorize" // it leads somewhere, and does nothing
	all := []MailSample{{Mail: a.testMail(), When: "An administrator asks for a test mail."}}
	if a.session == nil {
		return all
	}
	code := func(name, text string) Mail { return a.codeMail(sampleCode, link, name, text, sampleDevice) }
	return append(all, []MailSample{
		{Mail: code("postern.verify-address", forSignUpText), When: "Somebody signs up with the address."},
		{Mail: a.knownMail(sampleDevice), When: "Somebody signs up with the address of a user, or adds it to an account."},
		{Mail: a.invitationMail(link), When: "An administrator, or the program, invites somebody."},
		{Mail: a.confirmMail(link), When: "An administrator gives a user an address."},
		{Mail: a.sampleNotice(noticeAdded), When: "The address that an administrator gave was confirmed."},
		{Mail: code("postern.new-address", forAddressText), When: "A person adds an address, or changes one."},
		{Mail: a.sampleNotice(noticeOfChange(link)), When: "A person begins a change of the addresses."},
		{Mail: a.sampleNotice(noticeChanged), When: "A person has changed an address."},
		{Mail: a.sampleNotice(noticeRemoved), When: "A person has removed an address."},
		{Mail: a.sampleNotice(noticeOfUndo(link)), When: "An address was removed or replaced: to that address."},
		{Mail: a.sampleNotice(noticeUndone), When: "A change was undone from the old address."},
		{Mail: a.sampleNotice(noticeStopped), When: "A person opened the link in a notice, because it was not them."},
		{Mail: a.sampleNotice(noticeFree), When: "A person says that everything in the account is theirs, after a change was undone."},
		{Mail: code("postern.step-up", forStepUpText), When: "A person confirms by mail that it is them."},
		{Mail: code("postern.enroll", forEnrollText), When: "A person who must set up a second step proves the mailbox."},
		{Mail: a.sampleNotice(noticeOfGuess("totp")), When: "The first proof of a sign-in was right, and the second one wrong several times."},
		{Mail: a.sampleNotice(noticeOfLink("google", "Google")), When: "A person has linked an account at another site."},
		{Mail: a.sampleNotice(noticeOfUnlink("google", "Google")), When: "A person has unlinked an account at another site."},
		{Mail: a.sampleNotice(noticeOfUnlink("", "")), When: "A person has unlinked an account at a site that has left the list of providers."},
		{Mail: a.sampleNotice(noticeDeleted), When: "A person has deleted the account."},
	}...)
}
