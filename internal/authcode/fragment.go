package authcode

import (
	"net/http"
	"strings"
)

// endFragment adds an empty fragment to the address of a redirect, unless the address has a fragment.
type endFragment struct{ http.ResponseWriter }

func (w endFragment) WriteHeader(status int) {
	if to := w.Header().Get("Location"); status >= 300 && status < 400 && to != "" && !strings.Contains(to, "#") {
		w.Header().Set("Location", to+"#")
	}
	w.ResponseWriter.WriteHeader(status)
}

// Flush and Unwrap let http.ResponseController and older code use the writer as before.
func (w endFragment) Flush() {
	_ = http.NewResponseController(w.ResponseWriter).Flush() // http.Flusher returns no error
}

func (w endFragment) Unwrap() http.ResponseWriter { return w.ResponseWriter }
