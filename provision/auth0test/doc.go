// Package auth0test is an Auth0 tenant for tests: the token endpoint for client credentials, and the parts of the
// Management API v2 that provision.Auth0 calls. It answers as the documentation of Auth0 describes: with the same
// statuses, error bodies and permissions, with tokens that expire, and with 429 when a test asks for it.
//
//	tenant := auth0test.New()
//	defer tenant.Close()
//	users, err := provision.NewAuth0(tenant.Config(map[string]string{"course": tenant.AddRole("Course")}))
package auth0test
