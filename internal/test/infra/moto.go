package infra

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// Moto stands between a program and moto, and answers with what moto 5.2.1 takes and forgets: the status of a domain
// name, the logging of a function, and the regular expression of an authorizer.
func Moto(t testing.TB, moto string) string {
	t.Helper()
	target, err := url.Parse(moto)
	if err != nil {
		t.Fatal(err)
	}
	m := &memory{logging: map[string]any{}, expressions: map[string]any{}}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host
		},
		Transport: m,
	}
	server := httptest.NewServer(proxy)
	t.Cleanup(server.Close)
	return server.URL
}

// memory is the transport behind Moto.
type memory struct {
	mu          sync.Mutex
	logging     map[string]any // by the name of the function
	expressions map[string]any // by the id of the authorizer
}

func (m *memory) RoundTrip(r *http.Request) (*http.Response, error) {
	mend := map[string]func(sent, answer map[string]any){
		"/v2/domainnames": domain, "/2015-03-31/functions": m.function, "/restapis/": m.authorizer,
	}
	for prefix := range maps.Keys(mend) {
		if !strings.HasPrefix(r.URL.Path, prefix) {
			continue
		}
		sent := map[string]any{}
		if r.Body != nil {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				return nil, fmt.Errorf("reading a request: %w", err)
			}
			_ = json.Unmarshal(body, &sent) // not all are JSON objects
			r.Body = io.NopCloser(bytes.NewReader(body))
		}
		res, err := http.DefaultTransport.RoundTrip(r)
		if err != nil || res.StatusCode/100 != 2 {
			return res, err
		}
		return rewrite(res, func(answer map[string]any) { mend[prefix](sent, answer) })
	}
	return http.DefaultTransport.RoundTrip(r)
}

func rewrite(res *http.Response, mend func(answer map[string]any)) (*http.Response, error) {
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, fmt.Errorf("reading the answer of moto: %w", err)
	}
	res.Body.Close()
	var answer map[string]any
	if json.Unmarshal(body, &answer) == nil && answer != nil {
		mend(answer)
		if body, err = json.Marshal(answer); err != nil {
			return nil, err
		}
	}
	res.Body, res.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	res.Header.Set("Content-Length", strconv.Itoa(len(body)))
	return res, nil
}

func domain(_, answer map[string]any) {
	list, _ := answer["domainNameConfigurations"].([]any)
	for _, item := range list {
		if c, ok := item.(map[string]any); ok {
			c["domainNameStatus"] = "AVAILABLE"
		}
	}
	delete(answer, "mutualTlsAuthentication") // an empty one, which nobody asked for
}

func (m *memory) function(sent, answer map[string]any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if config, ok := sent["LoggingConfig"]; ok {
		m.logging[fmt.Sprint(sent["FunctionName"])] = config
	}
	if inner, ok := answer["Configuration"].(map[string]any); ok {
		answer = inner
	}
	if config, ok := m.logging[fmt.Sprint(answer["FunctionName"])]; ok {
		answer["LoggingConfig"] = config
	}
}

func (m *memory) authorizer(sent, answer map[string]any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	id := fmt.Sprint(answer["id"])
	if expression, ok := sent["identityValidationExpression"]; ok {
		m.expressions[id] = expression
	}
	if expression, ok := m.expressions[id]; ok && answer["authorizerUri"] != nil {
		answer["identityValidationExpression"] = expression
	}
}
