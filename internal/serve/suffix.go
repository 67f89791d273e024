package serve

import (
	"slices"
	"strings"
)

// secondLevel are labels below which registries of countries register domains, as in co.uk and com.au.
var secondLevel = []string{"ac", "co", "com", "edu", "gob", "gouv", "gov", "govt", "go", "ltd", "me", "mil", "ne", "net", "nhs", "nom", "or", "org", "plc", "police", "sch"}

// hosters are domains below which strangers get names from one service.
var hosters = []string{
	"amazonaws.com", "appspot.com", "azurewebsites.net", "cloudfront.net", "firebaseapp.com", "fly.dev", "github.io", "gitlab.io", "herokuapp.com",
	"netlify.app", "ngrok.app", "ngrok.io", "onrender.com", "pages.dev", "run.app", "up.railway.app", "vercel.app", "web.app", "workers.dev",
}

// publicSuffix reports whether a domain is one of the common public suffixes (publicsuffix.org). The whole list has ten
// thousand, changes each week, and is not linked.
func publicSuffix(domain string) bool {
	label, country, _ := strings.Cut(domain, ".")
	return len(country) == 2 && slices.Contains(secondLevel, label) || slices.Contains(hosters, domain)
}
