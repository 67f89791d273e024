package posterntest

import (
	"net/http"
	"net/http/httptest"
)

// Server starts an application for one test. Its issuer and its redirects contain the URL of the server, so handler
// gets the URL, such as http://127.0.0.1:40001, and makes the handler. The server ends with the test.
func Server(t T, handler func(url string) http.Handler) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	t.Cleanup(server.Close) // also if handler ends the test
	server.Config.Handler = handler("http://" + server.Listener.Addr().String())
	server.Start()
	return server
}
