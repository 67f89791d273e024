package postern

import (
	"slices"
	"strings"
)

// A sign-in and a step-up may lead to some pages of this handler as well, without an entry of Config.Redirects: to
// those that the account has, and to those on which a credential is changed. The list is closed, each page is opened by
// GET, and none of them does anything by that.

// ownPages lists them, as absolute URLs without a query.
func (a *Auth) ownPages() map[string]bool {
	own := map[string]bool{}
	if a.session == nil {
		return own
	}
	for path := range a.accountPages() {
		own[a.issuer+"/"+flowAccount+path] = true
	}
	own[a.accountURL("resume")] = true
	flows := slices.Clone(a.names)
	for _, k := range a.factors {
		flows = append(flows, k.flow)
		if !k.info.NoEnroll {
			own[a.issuer+"/"+k.flow+"/enroll"] = true
		}
	}
	for _, name := range flows {
		h := a.flows[name].handler
		if m, ok := h.(Manager); ok {
			own[a.issuer+"/"+name+"/"+m.Manage()] = true
		}
		if p, ok := h.(interface{ Pages() []string }); ok {
			for _, step := range p.Pages() {
				own[a.issuer+"/"+name+"/"+step] = true
			}
		}
	}
	return own
}

// isOwn reports whether a URL is one of the own pages, or one of the console. It is compared as text, so there is one
// spelling of each.
func (a *Auth) isOwn(uri string) bool {
	page, query, has := strings.Cut(uri, "?")
	return a.ownPaths[page] && (!has || isOwnQuery(query)) || a.consoleURL(uri)
}

// isOwnQuery reports whether a query is one parameter that names what a page is about, such as the id of a passkey.
func isOwnQuery(query string) bool {
	name, value, _ := strings.Cut(query, "=")
	if name == "" || len(name) > 16 || value == "" || len(value) > 64 || name == "state" || name == "code" || name == "token" || name == "iss" {
		return false
	}
	for i := range len(name) {
		if name[i] < 'a' || name[i] > 'z' {
			return false
		}
	}
	for i := range len(value) {
		c := value[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

// isOwnPage reports whether an address is an own page, the page of the step-up, or one that asks for a mailed code or
// a credential: by these no chain of redirects leads away from this site.
func (a *Auth) isOwnPage(uri string) bool {
	page, _, _ := strings.Cut(uri, "?")
	return a.session != nil && (a.ownPaths[page] || slices.Contains(askingPages, strings.TrimPrefix(page, a.issuer)))
}

// askingPages are the paths of pages to which the answer to a form leads, and which redirect nowhere.
var askingPages = []string{"/step-up", pathSignUpCode, pathCredential, pathStepUpCode, pathEnrolCode}
