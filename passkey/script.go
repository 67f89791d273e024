package passkey

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"net/http"
	"net/url"
	"strconv"
)

//go:embed passkey.js
var script []byte

// scriptName is the step that serves the script. It changes with the script, so that browsers may keep it for ever.
var scriptName = func() string {
	sum := sha256.Sum256(script)
	return base64.RawURLEncoding.EncodeToString(sum[:12]) + ".js"
}()

// scriptPath is the path of the script on the host of the issuer.
func (h *handler) scriptPath() string {
	u, err := url.Parse(h.flow.URL(scriptName))
	if err != nil {
		return ""
	}
	return u.Path
}

func serveScript(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "text/javascript; charset=utf-8")
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Del("Pragma")
	h.Set("Content-Length", strconv.Itoa(len(script)))
	if r.Method != http.MethodHead {
		_, _ = w.Write(script)
	}
}
