package doctor

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/posternauth/postern/internal/loopback"
)

// A Deployment is a running issuer to look at from outside.
type Deployment struct {
	// Issuer is the URL of the issuer. Required.
	Issuer string

	// Origins are those of the front ends that may call with credentials.
	//
	// Defaults to none: only foreign origins are tried.
	Origins []string

	// Plain is the URL that plain http is tried at.
	//
	// Defaults to http on the host of the issuer, if that has the usual port of https; else it is not tried.
	Plain string

	// Limits sends up to 150 codes that nobody issued, until the issuer refuses the address of this machine for some
	// minutes, and tries then whether a header with another address gets past.
	//
	// Defaults to false.
	Limits bool

	// Roots are the certificates to trust.
	//
	// Defaults to those of the system.
	Roots *x509.CertPool

	// Now is the clock that the server's is compared with.
	//
	// Defaults to time.Now.
	Now func() time.Time
}

// visit is one look at a deployment.
type visit struct {
	*Report
	*prober
	Deployment
	ctx       context.Context
	base      *url.URL
	providers map[string]string // authorize URLs by name, as {issuer} lists them
}

// Check adds the findings about a deployment to a report. It makes some 60 requests, a few of them wrong on purpose;
// it signs nobody in, sends no mail and, without Limits, leaves nothing in the store.
func (d Deployment) Check(ctx context.Context, to *Report) {
	ctx, cancel := context.WithTimeout(ctx, totalMax)
	defer cancel()
	if d.Now == nil {
		d.Now = time.Now
	}
	base, err := url.Parse(d.Issuer)
	to.Ran("issuer-url")
	switch {
	case err != nil || base.Host == "" || base.User != nil || strings.ContainsAny(d.Issuer, "?#") || strings.HasSuffix(d.Issuer, "/"):
		to.find("issuer-url", d.Issuer, "it is not a URL with a host and without user, query, fragment and slash at its end")
		return
	case base.Scheme != "https" && !(base.Scheme == "http" && loopback.Host(base.Hostname())):
		to.find("issuer-url", d.Issuer, "it begins with %s", base.Scheme+":")
		return
	}
	v := &visit{Report: to, prober: newProber(d.Roots, d.Now), Deployment: d, ctx: ctx, base: base}
	defer v.client.CloseIdleConnections()
	if !v.discovery() {
		return
	}
	v.list()
	v.signIn()
	v.crossOrigin()
	v.answers()
	v.front()
	v.open()
	if d.Limits {
		v.limits()
	}
}

// get requests a path of the issuer's host, or returns nil if there is no answer.
func (v *visit) get(path string, header ...string) *answer {
	return v.send(http.MethodGet, path, "", header...)
}

func (v *visit) send(method, path, body string, header ...string) *answer {
	a, err := v.call(v.ctx, method, v.at(path), body, header...)
	if err != nil {
		v.find("unreachable", method+" "+v.at(path), "%v", err)
		return nil
	}
	return a
}

// at is the URL of a path on the issuer's host.
func (v *visit) at(path string) string { return v.base.Scheme + "://" + v.base.Host + path }

const oidcPath, oauthPath = "/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"

// discovery checks the documents and the keys. It returns false if there is nothing to go on with.
func (v *visit) discovery() bool {
	path := v.base.Path + oidcPath
	a := v.get(path)
	v.Ran("unreachable")
	if a == nil {
		return false
	}
	where := v.at(path)
	v.Ran("discovery-auth", "discovery-redirect", "discovery-missing", "discovery-issuer")
	switch {
	case a.status == http.StatusUnauthorized || a.status == http.StatusForbidden:
		v.find("discovery-auth", where, "status %d", a.status)
		return false
	case a.status >= 300 && a.status < 400:
		v.find("discovery-redirect", where, "status %d to %s", a.status, a.header.Get("Location"))
		return false
	case a.status != http.StatusOK:
		v.find("discovery-missing", where, "status %d", a.status)
		return false
	}
	var doc struct {
		Issuer string `json:"issuer"`
		JWKS   string `json:"jwks_uri"`
	}
	if err := json.Unmarshal([]byte(a.body), &doc); err != nil || a.cut {
		v.find("discovery-missing", where, "the answer is not a JSON object of at most 1 MiB: %q", a.body[:min(len(a.body), 60)])
		return false
	}
	if doc.Issuer != v.Issuer {
		v.find("discovery-issuer", where, "issuer is %q, and the address is that of %q", doc.Issuer, v.Issuer)
	}
	v.addresses(a)
	v.head(path, a)
	v.clock(a)
	v.certificate(a)
	v.keys(doc.JWKS)
	return true
}

// addresses compares the document with those at the other addresses that clients look at: RFC 8414 section 3.1 puts
// the path behind the well-known part, OpenID Connect Discovery 1.0 section 4 before it, and clients mix both.
func (v *visit) addresses(first *answer) {
	for _, other := range []struct {
		path   string
		needed bool
	}{
		{oauthPath + v.base.Path, true}, {v.base.Path + oauthPath, false}, {oidcPath + v.base.Path, false},
	} {
		if v.base.Path == "" && other.path == oidcPath {
			continue
		}
		a := v.get(other.path)
		switch {
		case a == nil:
		case a.status == http.StatusNotFound && other.needed:
			v.find("discovery-address", v.at(other.path), "status 404")
		case a.status == http.StatusNotFound:
		case a.status != http.StatusOK:
			v.find("discovery-differs", v.at(other.path), "status %d, and %s answers 200", a.status, v.base.Path+oidcPath)
		case a.body != first.body:
			v.find("discovery-differs", v.at(other.path), "its %d bytes differ from the %d of %s", len(a.body), len(first.body), v.base.Path+oidcPath)
		}
	}
	v.Ran("discovery-address", "discovery-differs")
}

func (v *visit) head(path string, get *answer) {
	a := v.send(http.MethodHead, path, "")
	v.Ran("discovery-head")
	if a == nil {
		return
	}
	length := a.header.Get("Content-Length")
	if a.status != get.status || a.header.Get("Content-Type") != get.header.Get("Content-Type") || length != "" && get.header.Get("Content-Length") != "" && length != get.header.Get("Content-Length") {
		v.find("discovery-head", v.at(path), "HEAD answers %d, type %q, length %q; GET %d, %q, %q", a.status, a.header.Get("Content-Type"), length,
			get.status, get.header.Get("Content-Type"), get.header.Get("Content-Length"))
	}
}

// maxDrift is how far clocks may be apart before tokens fail: the leeway of the verifiers.
const maxDrift = 30 * time.Second

// clock compares the Date of three answers with the clock here. A time between sending and the answer is right; the
// header has whole seconds. The sample that is nearest counts, as the others may have come from a cache.
func (v *visit) clock(first *answer) {
	best, samples := time.Duration(1<<62), 0
	take := func(a *answer) {
		date, err := http.ParseTime(a.header.Get("Date"))
		if err != nil {
			return
		}
		samples++
		off := time.Duration(0)
		if early := a.sent.Truncate(time.Second); date.Before(early) {
			off = date.Sub(early)
		} else if date.After(a.got) {
			off = date.Sub(a.got)
		}
		if off.Abs() < best.Abs() {
			best = off
		}
	}
	take(first)
	for range 2 {
		if a := v.get(v.base.Path+"/session", "Cache-Control", "no-cache"); a != nil {
			take(a)
		}
	}
	if samples == 0 {
		return // a proxy may leave Date out
	}
	v.Ran("clock")
	if best.Abs() > maxDrift {
		v.find("clock", v.Issuer, "its clock differs from the one here by %s, in the best of %d answers", best.Round(time.Second), samples)
	}
}

// certificate looks at the end of the certificate. One that is wrong already ends the first request.
func (v *visit) certificate(a *answer) {
	if a.tls == nil || len(a.tls.PeerCertificates) == 0 {
		return
	}
	v.Ran("certificate")
	if end := a.tls.PeerCertificates[0].NotAfter; end.Sub(v.now()) < 14*24*time.Hour {
		v.find("certificate", v.at(""), "it ends on %s", end.UTC().Format("2006-01-02 15:04 UTC"))
	}
}

// list reads the names of the providers.
func (v *visit) list() {
	path := v.base.Path
	if path == "" {
		path = "/"
	}
	v.providers = map[string]string{}
	a := v.get(path, "Accept", "application/json")
	if a == nil || a.status != http.StatusOK || a.cut {
		return
	}
	listed := map[string]string{}
	if json.Unmarshal([]byte(a.body), &listed) != nil || len(listed) > 100 {
		return
	}
	for name, to := range listed {
		if to == v.Issuer+"/"+name+"/authorize" {
			v.providers[name] = to
		}
	}
	v.Ran("callback")
	for _, name := range v.names() {
		v.find("callback", v.Issuer, "%s: %s/%s/callback", name, v.Issuer, name)
	}
}

func (v *visit) names() []string {
	var names []string
	for name := range v.providers {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// foreign is an origin that nobody lists.
func foreign() string { return "https://" + strings.ToLower(rand.Text()) + ".example" }
