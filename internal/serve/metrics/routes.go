package metrics

import "github.com/posternauth/postern/internal/routes"

// Routes are the templates of the public routes.
type Routes = routes.Routes

// NewRoutes returns the templates below base, the path of the issuer, and those of the host. document is the OpenAPI
// document, as the house serves it at {base}/openapi.json.
func NewRoutes(base string, document []byte) (*Routes, error) { return routes.New(base, document) }
