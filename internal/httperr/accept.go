package httperr

import (
	"encoding/json"
	"net/http"
	"strings"
)

// WantsJSON reports whether the client accepts application/json and not text/html, which browsers send for pages.
func WantsJSON(r *http.Request) bool {
	json := false
	for _, line := range r.Header.Values("Accept") {
		for part := range strings.SplitSeq(line, ",") {
			switch kind, _, _ := strings.Cut(part, ";"); strings.ToLower(strings.TrimSpace(kind)) {
			case "text/html", "application/xhtml+xml":
				return false
			case "application/json":
				json = true
			}
		}
	}
	return json
}

// Redirect answers a client that wants JSON with the address that another client is redirected to:
//
//	{"redirect_uri":"https://app.example.com/"}
func Redirect(w http.ResponseWriter, to string) {
	body, _ := json.Marshal(map[string]string{"redirect_uri": to}) // strings alone always encode
	h := w.Header()
	h.Add("Vary", "Accept")
	h.Set("Content-Type", "application/json")
	NoStore(h)
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(append(body, '\n')) // a client that has gone needs no answer
}
