// Package auth is a function of Google Cloud: docs/clouds.md shows this file.
package auth

import (
	"net/http"

	"github.com/GoogleCloudPlatform/functions-framework-go/functions"
)

func init() {
	functions.HTTP("Auth", func(w http.ResponseWriter, r *http.Request) { handler().ServeHTTP(w, r) })
}

// handler makes the program's handler once: auth.Mount(mux), and your own routes.
func handler() http.Handler { return http.NewServeMux() }
