package session

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Values of [ACR].
const (
	// ACRMultiFactor: two factors.
	ACRMultiFactor = "mfa"

	// ACRPhishingResistant: a passkey that has verified its user (OpenID EAP ACR Values 1.0).
	ACRPhishingResistant = "phr"

	// ACRHardware: the same, and the passkey cannot leave its device.
	ACRHardware = "phrh"
)

// ACR needs a sign-in of at least one of these classes. Unmet: 401 insufficient_user_authentication with acr_values
// (RFC 9470), as for [Fresh]. The class follows from the methods of the sign-in, so tokens have no claim for it. It
// panics on a class that this package does not know.
func ACR(classes ...string) Need {
	for _, c := range classes {
		if c != ACRMultiFactor && c != ACRPhishingResistant && c != ACRHardware {
			panic("session: ACR: the classes are ACRMultiFactor, ACRPhishingResistant and ACRHardware")
		}
	}
	return need{label: label("sign-in of class", " or ", classes), signIn: true, acr: classes,
		told: failure{Claim: "acr", Message: wrongValue, IncludesAny: classes}, actual: hasMethods,
		met: func(s checkedSession, _ time.Time) bool {
			return anyIn(classes, classesOf(s.common().auth.Methods))
		}}
}

// Meets reports whether the sign-in is of a class of [ACR]. It is not for a class that this package does not know.
func (a Authentication) Meets(class string) bool { return slices.Contains(classesOf(a.Methods), class) }

// classesOf returns the classes of a sign-in by its methods (amr).
func classesOf(methods []string) (classes []string) {
	has := func(m string) bool { return slices.Contains(methods, m) }
	if has("mfa") {
		classes = append(classes, ACRMultiFactor)
	}
	if has("user") && (has("hwk") || has("swk")) {
		classes = append(classes, ACRPhishingResistant)
		if has("hwk") {
			classes = append(classes, ACRHardware)
		}
	}
	return classes
}

// stepUpURL returns where the person gives what is missing; empty if the kind has no such page.
func (u unmet) stepUpURL(within time.Duration, classes []string) string {
	i := slices.IndexFunc(u, func(n need) bool { return n.stepUp != "" })
	if i < 0 {
		return ""
	}
	q := url.Values{}
	if within > 0 {
		q.Set("max_age", strconv.FormatInt(int64(within/time.Second), 10))
	}
	if len(classes) > 0 {
		q.Set("acr_values", strings.Join(classes, " "))
	}
	if len(q) == 0 {
		return u[i].stepUp
	}
	return u[i].stepUp + "?" + q.Encode()
}
