package postern

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/posternauth/postern/internal/seal"
)

// A redirect from a form to a step of this handler carries a mark in its query. Where that step redirects in turn, the
// chain has begun with a form, and the answer is a page (see afterForm).
//
// Each such page costs the browser a cookie. So the mark is a MAC under the master secrets, for one path of this issuer
// and one minute: other sites can't write it into a link. The MAC does not bind the query, since browsers may write the
// same query with other escapes.
const (
	markParam   = "postern_form"
	markLife    = time.Minute
	markPurpose = "after form"
)

// mark adds the mark to u, a step of this handler.
func (a *Auth) mark(r *http.Request, u *url.URL) error {
	at := strconv.FormatInt(a.sessions.Now().UnixMilli(), 36)
	mac, err := seal.MAC(r.Context(), a.sessions.Secrets(), markPurpose, a.issuer, u.Path, at)
	if err != nil {
		return err
	}
	if u.RawQuery != "" {
		u.RawQuery += "&"
	}
	u.RawQuery += markParam + "=" + at + "-" + mac
	return nil
}

// cutMark takes a mark off the end of a query.
func cutMark(query string) (rest, mark string, found bool) {
	at := strings.LastIndexByte(query, '&') + 1
	mark, found = strings.CutPrefix(query[at:], markParam+"=")
	if !found {
		return query, "", false
	}
	return strings.TrimSuffix(query[:at], "&"), mark, true
}

// isMarked reports whether this handler made the mark for a request's path less than a minute ago. Without the secrets
// no mark is true: the redirect then stays a redirect.
func (a *Auth) isMarked(r *http.Request, mark string) bool {
	at, mac, _ := strings.Cut(mark, "-")
	made, err := strconv.ParseInt(at, 36, 64)
	if err != nil {
		return false
	}
	if age := a.sessions.Now().Sub(time.UnixMilli(made)); age < -attemptSkew || age >= markLife {
		return false
	}
	return seal.CheckMAC(r.Context(), a.sessions.Secrets(), markPurpose, mac, a.issuer, r.URL.Path, at) == nil
}
