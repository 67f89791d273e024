package lambdatest

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
)

const apiARN = "arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5/prod"

// statements makes a policy document: each argument is "Allow GET/a" or "Deny *", below the stage of the test API.
func statements(list ...string) string {
	var out []string
	for _, s := range list {
		effect, resource, _ := strings.Cut(s, " ")
		out = append(out, fmt.Sprintf(`{"Effect":%q,"Action":"execute-api:Invoke","Resource":%q}`, effect, apiARN+"/"+resource))
	}
	return `{"Version":"2012-10-17","Statement":[` + strings.Join(out, ",") + `]}`
}

// TestPolicy_Evaluate: an explicit Deny wins, then an Allow; silence is a no.
//
// Sources: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html,
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-control-access-using-iam-policies-to-invoke-api.html
func TestPolicy_Evaluate(t *testing.T) {
	one := func(action, resource string) string {
		return fmt.Sprintf(`{"Statement":{"Effect":"Allow","Action":%s,"Resource":%s}}`, action, resource)
	}
	tests := []struct {
		name, policy, call string
		want               verdict
	}{
		{"exact", statements("Allow GET/a"), "GET/a", allowed},
		{"other path", statements("Allow GET/a"), "GET/b", implicitDeny},
		{"other method", statements("Allow GET/a"), "POST/a", implicitDeny},
		{"case counts", statements("Allow GET/a"), "GET/A", implicitDeny},
		{"whole stage", statements("Allow *"), "GET/a/b/c", allowed},
		{"star crosses slashes", statements("Allow GET/a/*"), "GET/a/b/c", allowed},
		{"star below only", statements("Allow GET/a/*"), "GET/a", implicitDeny},
		{"star for a method", statements("Allow */a"), "DELETE/a", allowed},
		{"question mark", statements("Allow GET/a?"), "GET/ab", allowed},
		{"question mark is one", statements("Allow GET/a?"), "GET/a", implicitDeny},
		{"deny wins", statements("Allow *", "Deny GET/a"), "GET/a", explicitDeny},
		{"deny first", statements("Deny GET/*", "Allow GET/a"), "GET/a", explicitDeny},
		{"deny elsewhere", statements("Deny GET/a", "Allow *"), "GET/b", allowed},
		{"two allows", statements("Allow GET/a", "Allow GET/b"), "GET/b", allowed},
		{"a star in the request is no wildcard", statements("Allow GET/a"), "GET/*", implicitDeny},
		{"a star of the request in the policy is one", statements("Allow GET/*"), "GET/admin", allowed},
		{"everything", one(`"*"`, `"*"`), "GET/a", allowed},
		{"lists", one(`["s3:Get","execute-api:Invoke"]`, `["`+apiARN+`/GET/x","`+apiARN+`/GET/a"]`), "GET/a", allowed},
		{"action in any case", one(`"EXECUTE-API:invoke"`, `"*"`), "GET/a", allowed},
		{"action with a star", one(`"execute-api:*"`, `"*"`), "GET/a", allowed},
		{"other action", one(`"execute-api:ManageConnections"`, `"*"`), "GET/a", implicitDeny},
		{"any region and account", one(`"execute-api:Invoke"`, `"arn:aws:execute-api:*:*:a1b2c3d4e5/prod/GET/a"`), "GET/a", allowed},
		{"star of a part stays in it", one(`"execute-api:Invoke"`, `"arn:aws:execute-api:*:a1b2c3d4e5/prod/GET/a:*"`), "GET/a", implicitDeny},
		{"other stage", one(`"execute-api:Invoke"`, `"arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5/dev/*"`), "GET/a", implicitDeny},
		{"other partition", one(`"execute-api:Invoke"`, `"arn:aws-cn:execute-api:us-east-1:123456789012:a1b2c3d4e5/prod/*"`), "GET/a", implicitDeny},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, err := parsePolicy(json.RawMessage(tt.policy))
			if err != nil {
				t.Fatal(err)
			}
			if got := p.evaluate(apiARN + "/" + tt.call); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
}

func TestPolicy_Malformed(t *testing.T) {
	long := apiARN + "/GET/" + strings.Repeat("a", maxResourceARN)
	tests := map[string]string{
		"null":                 `null`,
		"text":                 `"Allow"`,
		"empty":                `{}`,
		"no statement":         `{"Version":"2012-10-17","Statement":[]}`,
		"version":              `{"Version":"2020-01-01","Statement":[]}`,
		"letter case":          `{"version":"2012-10-17","statement":[]}`,
		"effect":               `{"Statement":[{"Effect":"allow","Action":"*","Resource":"*"}]}`,
		"no effect":            `{"Statement":[{"Action":"*","Resource":"*"}]}`,
		"no action":            `{"Statement":[{"Effect":"Allow","Resource":"*"}]}`,
		"no resource":          `{"Statement":[{"Effect":"Allow","Action":"*"}]}`,
		"null resource":        `{"Statement":[{"Effect":"Allow","Action":"*","Resource":null}]}`,
		"empty resources":      `{"Statement":[{"Effect":"Allow","Action":"*","Resource":[]}]}`,
		"number":               `{"Statement":[{"Effect":"Allow","Action":"*","Resource":1}]}`,
		"not an ARN":           `{"Statement":[{"Effect":"Allow","Action":"*","Resource":"/a"}]}`,
		"condition":            `{"Statement":[{"Effect":"Allow","Action":"*","Resource":"*","Condition":{}}]}`,
		"not resource":         `{"Statement":[{"Effect":"Allow","Action":"*","NotResource":"*"}]}`,
		"resource of 513":      `{"Statement":[{"Effect":"Allow","Action":"*","Resource":"` + long[:maxResourceARN+1] + `"}]}`,
		"one statement is bad": `{"Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},{}]}`,
	}
	for name, doc := range tests {
		if _, err := parsePolicy(json.RawMessage(doc)); err == nil {
			t.Errorf("%s: %s is taken", name, doc)
		}
	}
	if _, err := parsePolicy(json.RawMessage(`{"Statement":[{"Sid":"a","Effect":"Allow","Action":"*","Resource":"` + long[:maxResourceARN] + `"}]}`)); err != nil {
		t.Errorf("a resource of 512: %v", err)
	}
}

// FuzzGlob: the matcher agrees with a regular expression that means the same.
func FuzzGlob(f *testing.F) {
	for _, s := range [][2]string{{"*", ""}, {"a*b?c", "axxbyc"}, {"**", "x"}, {"*a*a*a", "aaab"}, {"?", "é"}, {"GET/*", "GET/a/b"}, {"a*", "*a"}, {"", ""}} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, pattern, s string) {
		if len(pattern) > 200 || len(s) > 2000 {
			return
		}
		// The matcher compares bytes, so each byte is one character here.
		latin := func(s string) string {
			out := make([]rune, len(s))
			for i := range len(s) {
				out[i] = rune(s[i])
			}
			return string(out)
		}
		expr := regexp.QuoteMeta(latin(pattern))
		expr = strings.ReplaceAll(strings.ReplaceAll(expr, `\*`, `.*`), `\?`, `.`)
		want := regexp.MustCompile(`(?s)\A` + expr + `\z`).MatchString(latin(s))
		if got := glob(pattern, s); got != want {
			t.Errorf("glob(%q, %q) = %v", pattern, s, got)
		}
	})
}

// FuzzPolicy: no document makes the parser panic, and none that it takes allows what no Allow statement names.
func FuzzPolicy(f *testing.F) {
	f.Add(statements("Allow *"), "GET/a")
	f.Add(statements("Allow GET/a", "Deny *"), "GET/a")
	f.Add(`{"Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}`, "x")
	f.Add(`{"Statement":[[]]}`, "x")
	f.Fuzz(func(t *testing.T, doc, call string) {
		p, err := parsePolicy(json.RawMessage(doc))
		if err != nil {
			return
		}
		v := p.evaluate(apiARN + "/" + call)
		if v == allowed && !strings.Contains(doc, "Allow") && !strings.Contains(doc, `\u`) {
			t.Errorf("%s allows %s", doc, call)
		}
		// One more Deny for everything always wins.
		p.statements = append(p.statements, statement{actions: []string{"*"}, resources: []string{"*"}})
		if p.evaluate(apiARN+"/"+call) != explicitDeny {
			t.Errorf("a Deny for everything does not win over %s", doc)
		}
	})
}

// FuzzEvent: whatever a client sends, the events are JSON, the path comes back in the form that each kind promises, and
// nothing of the query or the path turns into a header.
func FuzzEvent(f *testing.F) {
	f.Add("/a%2Fb", "x=1&x=2", "v", []byte("body"))
	f.Add("/%3Fadmin=1", "a=%zz;b", "é", []byte{0xff})
	f.Add("//", "&&=&", "", []byte(nil))
	f.Add("/%", "%", "\x00", []byte(`"`))
	fn := ok()
	var gateways []*Gateway
	for k := HTTPAPI; k <= ALBMultiValue; k++ {
		path := "$default"
		if k == REST {
			path = "/{proxy+}"
		}
		gateways = append(gateways, mustNew(f, Config{Type: k, Routes: []Route{{Path: path, Function: fn}}}))
	}
	f.Fuzz(func(t *testing.T, path, query, header string, body []byte) {
		if len(path)+len(query)+len(header) > 4000 || len(body) > 1<<16 {
			return
		}
		for _, g := range gateways {
			r := request("POST", "/", string(body))
			r.URL.Path, r.URL.RawQuery = path, query
			if g.cfg.Type == REST {
				r.URL.Path = "/prod/" + path
			}
			r.Header["X-Any"] = []string{header}
			event, err := g.Event(r)
			if err != nil {
				if !strings.Contains(err.Error(), "answers without the function") {
					t.Errorf("%v: %v", g.cfg.Type, err)
				}
				continue
			}
			var doc map[string]any
			if err := json.Unmarshal(event, &doc); err != nil {
				t.Fatalf("%v: %v", g.cfg.Type, err)
			}
			if q, ok := doc["rawQueryString"]; ok && q != strings.ToValidUTF8(query, "\uFFFD") && strings.ToValidUTF8(query, "") == query {
				t.Errorf("%v: the query %q became %q", g.cfg.Type, query, q)
			}
			for _, m := range []string{"headers", "multiValueHeaders"} {
				if h, ok := doc[m].(map[string]any); ok && len(h) > 11 {
					t.Errorf("%v: too many headers: %v", g.cfg.Type, h)
				}
			}
		}
	})
}
