// Package js is Postern's client for browsers: one ES module without dependencies, and a handler that serves it. Its
// README describes the module, and postern.d.ts its types.
package js

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"net/http"
	"time"
)

//go:embed postern.js
var module []byte

// Handler serves the module, whatever the path of the request. Browsers ask for it again each time, and get 304 while
// it is unchanged.
//
//	mux.Handle("GET /postern.js", js.Handler())
func Handler() http.Handler {
	sum := sha256.Sum256(module)
	tag := `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Type", "text/javascript; charset=utf-8")
		h.Set("Cache-Control", "no-cache")
		h.Set("ETag", tag)
		h.Set("X-Content-Type-Options", "nosniff")
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(module))
	})
}
