package infra

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// Rights stand between a function and moto, which allows everything, and refuse what the role of the function does not
// allow. Conditions of statements are not looked at.
type Rights struct {
	URL string // for AWS_ENDPOINT_URL

	t       testing.TB
	allowed []statement
	mu      sync.Mutex
	refused []string
}

// NewRights serves the rights of a role until the test ends. Of the policies, those of the role count.
func NewRights(t testing.TB, target, role string, policies []Policy) *Rights {
	t.Helper()
	moto, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	r := &Rights{t: t}
	for _, p := range policies {
		if p.Role == role {
			r.allowed = append(r.allowed, statements(t, p.Document)...)
		}
	}
	if len(r.allowed) == 0 {
		t.Fatalf("no policy of the role %s", role)
	}
	pass := httputil.NewSingleHostReverseProxy(moto)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if text := r.missing(req, body); text != "" {
			w.Header().Set("Content-Type", "application/x-amz-json-1.1")
			w.Header().Set("X-Amzn-Errortype", "AccessDeniedException")
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprintf(w, `{"__type":"AccessDeniedException","message":%q}`, text)
			return
		}
		req.Body, req.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		pass.ServeHTTP(w, req)
	}))
	t.Cleanup(server.Close)
	r.URL = server.URL
	return r
}

// Refused returns what was refused so far, such as "ssm:PutParameter on arn:...".
func (r *Rights) Refused() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.refused...)
}

// missing returns the first right that a call needs and the role does not have; empty: it has all.
func (r *Rights) missing(req *http.Request, body []byte) string {
	for _, need := range needs(req, body) {
		if !r.allow(need.Action, need.Resource) {
			text := need.Action + " on " + need.Resource
			r.mu.Lock()
			r.refused = append(r.refused, text)
			r.mu.Unlock()
			return "is not authorized to perform: " + text
		}
	}
	return ""
}

func (r *Rights) allow(action, arn string) bool {
	for _, s := range r.allowed {
		for _, a := range s.Action {
			for _, pattern := range s.Resource {
				if matches(a, action) && matches(pattern, arn) {
					return true
				}
			}
		}
	}
	return false
}

// matches compares as IAM does: * is any text, ? is any character.
func matches(pattern, text string) bool {
	quoted := regexp.QuoteMeta(pattern)
	quoted = strings.NewReplacer(`\*`, `.*`, `\?`, `.`).Replace(quoted)
	return regexp.MustCompile(`^` + quoted + `$`).MatchString(text)
}

// needs returns the actions that a call needs, with their ARNs. One that is not known here needs itself on nothing,
// which no role allows.
func needs(req *http.Request, body []byte) []Grant {
	if strings.HasPrefix(req.URL.Path, "/v2/email/") {
		identity := "identity/example.com"
		return []Grant{{Action: "ses:SendEmail", Resource: arn("ses", identity)}, {Action: "ses:SendRawEmail", Resource: arn("ses", identity)}}
	}
	var in struct {
		Name, Path, TableName, KeyId, SecretId string
		Names                                  []string
		RequestItems                           map[string]any
		TransactItems                          []map[string]struct{ TableName string }
	}
	_ = json.Unmarshal(body, &in) // what is no JSON has none of these
	service, name, _ := strings.Cut(req.Header.Get("X-Amz-Target"), ".")
	var out []Grant
	add := func(action, resource string) { out = append(out, Grant{Action: action, Resource: resource}) }
	switch {
	case service == "AmazonSSM":
		for _, parameter := range append(in.Names, in.Name+in.Path) {
			if parameter != "" {
				add("ssm:"+name, arn("ssm", "parameter"+parameter))
			}
		}
	case name == "TransactWriteItems":
		for _, item := range in.TransactItems {
			for kind, change := range item {
				action := map[string]string{"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "ConditionCheck": "ConditionCheckItem"}[kind]
				add("dynamodb:"+action, arn("dynamodb", "table/"+change.TableName))
			}
		}
	case name == "BatchGetItem":
		for table := range in.RequestItems {
			add("dynamodb:"+name, arn("dynamodb", "table/"+table))
		}
	case strings.HasPrefix(service, "DynamoDB_"):
		add("dynamodb:"+name, arn("dynamodb", "table/"+in.TableName))
	case service == "secretsmanager":
		add("secretsmanager:"+name, arn("secretsmanager", "secret:"+in.Name+in.SecretId+"-AbCdEf"))
	case service == "TrentService":
		add("kms:"+name, in.KeyId)
	}
	if len(out) == 0 {
		add(service+"."+name, "")
	}
	return out
}

func arn(service, resource string) string {
	return "arn:aws:" + service + ":" + Region + ":" + Account + ":" + resource
}
