package gallery

import (
	"net/http"
	"time"
)

var adminScenes = []scene{
	{"postern.console", "", "An administrator with a session of the application opens the console, which has a session for itself.", false, func(p *person) *person {
		return p.chief("owner.console@example.com").open("/admin/session")
	}},
	{"admin.users", "", "The users, with a search.", false, func(p *person) *person {
		return p.office("list").open("/admin").send("identifier", "user.list@example.com")
	}},
	{"admin.create", "", "A user is made.", false, func(p *person) *person { return p.office("create").open("/admin/users/new") }},
	{"admin.invite", "", "Somebody is invited.", false, func(p *person) *person { return p.office("invite").open("/admin/users/invite") }},
	{"admin.user", "", "One user, and what can be done.", true, func(p *person) *person { return p.office("user").openUser("") }},
	{"admin.user", "disabled", "The user is disabled.", false, func(p *person) *person {
		return p.office("off").openUser("").press("/disable", "reason", "spam")
	}},
	{"admin.sessions", "", "Where the user is signed in.", false, func(p *person) *person { return p.office("where").openUser("/sessions") }},
	{"admin.find-sessions", "", "The sessions of a user are looked for.", false, func(p *person) *person { return p.office("finds").open("/admin/sessions") }},
	{"admin.find-history", "", "The history of somebody who does not exist is looked for.", false, func(p *person) *person {
		return p.office("looks").open("/admin/history").send("identifier", "nobody@example.com")
	}},
	{"admin.history", "", "What has happened to the user.", false, func(p *person) *person { return p.office("history").openUser("/history") }},
	{"admin.keys", "", "The keys and their states.", true, func(p *person) *person { return p.office("keys").open("/admin/keys") }},
	{"admin.mail", "", "Every mail, and one to try the sending.", false, func(p *person) *person { return p.office("mail").open("/admin/mail") }},
	{"admin.mail-preview", "", "One mail, in a language.", false, func(p *person) *person {
		return p.office("preview").open("/admin/mail/postern/invitation?language=en")
	}},
	{"admin.settings", "", "The settings, and where each comes from.", true, func(p *person) *person { return p.office("settings").open("/admin/settings") }},
	{"admin.resume", "", "What an administrator typed has waited for a fresh proof.", false, func(p *person) *person {
		o := p.chief("owner.resume@example.com").open("/admin/session/users/invite").send()
		o.v.Advance(11 * time.Minute)
		o.send("address", "kim@example.com")
		return o.follow("/admin/session/resume").prove().send()
	}},
	{"admin.leave", "", "An administrator leaves the console.", false, func(p *person) *person { return p.office("leave").open("/admin/leave") }},
	{"admin.left", "", "The session of the console has ended.", false, func(p *person) *person { return p.office("left").open("/admin/leave").send() }},
}

// office returns an administrator, beside a user who has an account.
func (p *person) office(name string) *person {
	p.Helper()
	user := p.elsewhere()
	user.home("user." + name + "@example.com")
	p.id = user.api(http.MethodGet, "/account", nil)["id"].(string)
	o := p.owner("owner." + name + "@example.com")
	o.id, o.knows = p.id, &knowledge{address: "user." + name + "@example.com"} // it is the user whose pages are looked at
	return o
}

// openUser opens a page of the user beside the administrator.
func (p *person) openUser(below string) *person {
	p.Helper()
	return p.open("/admin/users/" + p.id + below)
}
