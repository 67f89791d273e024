package postern

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// A Setting is one field of the configuration, for people who look at it. None is a secret.
type Setting struct {
	Name    string // such as "postern.Config.Redirects"
	Value   any    // as Line.Value
	Default bool   // the program does not set it
}

// Settings returns what the configuration says, without any secret.
func (f *Flow) Settings() []Setting { return slices.Clone(f.auth.settings) }

// settingsOf reads the configuration after New has checked it.
func (a *Auth) settingsOf(c Config) []Setting {
	all := []Setting{{"session.Config.Issuer", a.issuer, false}, {"session.Config.ClientID", a.clientID, a.clientID == a.issuer}}
	add := func(name string, value any, isDefault bool) {
		all = append(all, Setting{"postern.Config." + name, value, isDefault})
	}
	list := func(name string, values []string) { add(name, strings.Join(values, ", "), len(values) == 0) }
	add("Name", a.name, c.Name == "")
	list("Providers", slices.Sorted(maps.Keys(c.Providers)))
	add("Order", strings.Join(a.order, ", "), len(c.Order) == 0)
	add("IdentifierFirst", yesOrNo(c.IdentifierFirst), !c.IdentifierFirst)
	list("Factors", slices.Sorted(maps.Keys(c.Factors)))
	add("RequireFactor", setOrNot(c.RequireFactor != nil), c.RequireFactor == nil)
	add("Remember", a.rememberFor, c.Remember == 0)
	add("Admit", setOrNot(c.Admit != nil), c.Admit == nil)
	add("Usernames", yesOrNo(c.Usernames), !c.Usernames)
	list("Redirects", c.Redirects)
	add("RedirectAlso", setOrNot(c.RedirectAlso != nil), c.RedirectAlso == nil)
	add("RequirePKCE", yesOrNo(c.RequirePKCE), !c.RequirePKCE)
	list("Origins", c.Origins)
	list("TokenClients", c.TokenClients)
	add("Mail", setOrNot(c.Mail != nil), c.Mail == nil)
	add("Composer", setOrNot(c.Composer != nil), c.Composer == nil)
	add("Render", setOrNot(c.Render != nil), c.Render == nil)
	add("ForwardAuth", setOrNot(c.ForwardAuth != nil), c.ForwardAuth == nil)
	// Not which ones: they say to an attacker which header to forge, and from where.
	add("TrustedProxies", setOrNot(len(c.TrustedProxies) > 0), len(c.TrustedProxies) == 0)
	add("ClientIPHeader", setOrNot(c.ClientIPHeader != ""), c.ClientIPHeader == "")
	for i := range all {
		if d, ok := all[i].Value.(time.Duration); ok && d <= 0 {
			all[i].Value = Phrase("Never")
		}
		if all[i].Value == "" {
			all[i].Value = Phrase("Not set")
		}
	}
	return all
}

func setOrNot(set bool) Phrase {
	if set {
		return Phrase("Set")
	}
	return Phrase("Not set")
}

func yesOrNo(b bool) Phrase {
	if b {
		return Phrase("Yes")
	}
	return Phrase("No")
}
