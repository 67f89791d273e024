package postern

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"time"
)

const (
	pathDocument = "/openapi.json"

	// documentServer is the issuer in the file openapi.json. The answer has that of the configuration.
	documentServer = `"https://auth.example.com/auth"`
)

//go:embed openapi.json
var openAPI []byte

// A document is the OpenAPI document of one issuer.
type document struct {
	body []byte
	tag  string // for If-None-Match
}

func newDocument(issuer string) document {
	server, _ := json.Marshal(issuer) // a string always encodes
	body := bytes.Replace(openAPI, []byte(documentServer), server, 1)
	sum := sha256.Sum256(body)
	return document{body, `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`}
}

// serve answers with the document. It is the same for everybody, so any cache may keep it.
func (d document) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "public, max-age=300")
	h.Set("ETag", d.tag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(d.body))
}
