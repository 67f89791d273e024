package postern

import (
	"net/http"
	"net/url"
	"strings"
)

// serveAssets serves the files of Config.Assets. Their names hold a hash of what is in them, so a browser keeps them
// for a year and never asks again.
func (a *Auth) serveAssets(w http.ResponseWriter, r *http.Request, name string) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		a.fail(w, r, nil, errMethod())
		return
	}
	files := r.WithContext(r.Context()) // a copy
	files.URL = &url.URL{Path: "/" + name}
	files.Header = http.Header{} // a file is the same for everybody: no cookie, no language
	for _, h := range []string{"Accept-Encoding", "If-None-Match", "Range"} {
		if v, ok := r.Header[h]; ok {
			files.Header[h] = v
		}
	}
	aw := &assetWriter{ResponseWriter: w}
	a.assets.ServeHTTP(aw, files)
	if aw.missing {
		a.fail(w, r, nil, errNotFound())
	}
}

// An assetWriter sets the headers of a file that exists. The page for one that does not exist is Postern's, and nobody
// keeps it.
type assetWriter struct {
	http.ResponseWriter
	written, missing bool
}

func (w *assetWriter) WriteHeader(status int) {
	if w.written {
		return
	}
	w.written = true
	h := w.Header()
	if status >= 400 {
		w.missing = true
		for _, name := range []string{"Content-Type", "Content-Length", "Cache-Control", "Etag"} {
			h.Del(name)
		}
		return
	}
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("X-Content-Type-Options", "nosniff")
	policy := "default-src 'none'; frame-ancestors 'none'; sandbox"
	if strings.HasPrefix(h.Get("Content-Type"), "image/svg+xml") {
		policy += "; style-src 'unsafe-inline'" // a picture can have a style inside, and some browsers apply this policy to it
	}
	h.Set("Content-Security-Policy", policy)
	h.Set("Referrer-Policy", "no-referrer")
	w.ResponseWriter.WriteHeader(status)
}

func (w *assetWriter) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	if w.missing {
		return len(p), nil
	}
	return w.ResponseWriter.Write(p)
}

// placed returns the page with the addresses of its files and of its language form.
func (a *Auth) placed(r *http.Request, p Page) Page {
	if a.assets == nil {
		return p
	}
	p.Assets = a.base + "/assets/"
	// A refusal, and a page with a code that works once, are not there to be opened once more. Instead of the answer to
	// a form it is the page with the form, where it has an address.
	x := exchangeOf(r)
	switch opened := r.Method == http.MethodGet || r.Method == http.MethodHead; {
	case p.Next != "":
	case opened && p.Status < 400 && !r.URL.Query().Has("code") && len(r.URL.RequestURI()) <= maxReturn:
		p.LanguageURL, p.LanguageTo = a.base+"/language", r.URL.RequestURI()
	case !opened && x != nil && x.form != "" && p.Status < 500 && len(x.form) <= maxReturn:
		p.LanguageURL, p.LanguageTo = a.base+"/language", a.base+x.form
	}
	return p
}

// pagePolicy returns the Content-Security-Policy of a page.
func (a *Auth) pagePolicy(p Page) string {
	sources := "style-src " + a.style
	if a.assets != nil {
		at := a.origin + p.Assets
		sources = "style-src " + at + "; img-src " + at
	}
	target := "'none'"
	if p.hasForm() {
		target = "'self'"
	}
	script := ""
	if p.Script != "" && linkable(p.Script) && !strings.ContainsAny(p.Script, "; ,") {
		script = " " + a.origin + p.Script
	}
	if a.assets != nil && p.hasPassword() {
		script += " " + a.origin + p.Assets + "scripts/"
	}
	if script != "" {
		script = "; script-src" + script
	}
	return "default-src 'none'; " + sources + "; base-uri 'none'; frame-ancestors 'none'; " +
		"require-trusted-types-for 'script'; trusted-types 'none'; form-action " + target + script
}

// permissions is the Permissions-Policy of a page: it may use passkeys, and nothing else of the device.
const permissions = "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), hid=(), " +
	"identity-credentials-get=(), idle-detection=(), magnetometer=(), microphone=(), midi=(), otp-credentials=(), payment=(), " +
	"publickey-credentials-create=(self), publickey-credentials-get=(self), screen-wake-lock=(), serial=(), storage-access=(), usb=(), " +
	"xr-spatial-tracking=()"
