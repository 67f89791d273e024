package users

import (
	"slices"
	"strings"

	"github.com/posternauth/postern"
)

// notices are what a page says after a deed, by the name of the form.
var notices = map[string]string{
	"create":          "The user was created, and a link was mailed to the address.",
	"invite":          "The invitation was mailed.",
	"edit":            "The profile was saved.",
	"roles":           "The roles were saved.",
	"disable":         "The user is disabled and signed out everywhere.",
	"enable":          "The user may sign in again.",
	"addresses":       "The link was mailed to the address.",
	"remove-identity": "The linked account was removed, and the sessions of the user have ended.",
	"reset-mail":      "The reset was mailed.",
	"reset-factors":   "The second factors were removed, and the sessions of the user have ended.",
	"unlock":          "The password works again.",
	"demand-change":   "The user needs another password before the next sign-in.",
	"remove-password": "The password was removed, and the sessions of the user have ended.",
	"remove-passkeys": "The passkeys and the second factors were removed, and the sessions of the user have ended.",
	"delete":          "The user was deleted.",
	"end":             "The session has ended.",
	"end-all":         "All sessions of the user have ended.",
	"rotate":          "A key and a secret were added.",
	"lost":            "Nothing was changed: what you typed is not kept any more. Please do it again.",
	"test":            "The test mail was sent. If it does not arrive, look into the log of the program.",
}

// menu is the list of pages that the actor may see. current is the pattern of the page.
func (c *console) menu(current string) []postern.Link {
	menu := []postern.Link{
		{Name: "users", Text: "Users"}, {Name: "sessions", Text: "Sessions"}, {Name: "history", Text: "History"}, {Name: "keys", Text: "Keys"}, {Name: "mail", Text: "Mail"}, {Name: "settings", Text: "Settings"},
	}
	menu = slices.DeleteFunc(menu, func(l postern.Link) bool { return !c.may(consolePages()[l.Name].scope) })
	below := "users" // the entry to which a page about a user belongs
	if !c.may(ScopeRead) {
		below = strings.TrimPrefix(current, "users/{id}/")
	}
	for i := range menu {
		menu[i].URL = c.home + menu[i].Name
		menu[i].Current = current == menu[i].Name || menu[i].Name == "mail" && strings.HasPrefix(current, "mail/") || menu[i].Name == below && strings.HasPrefix(current, "users/")
	}
	if len(menu) > 0 {
		menu = append(menu, postern.Link{Name: "leave", Text: "Sign out", URL: c.home + "leave", Current: current == "leave"})
	}
	return menu
}
