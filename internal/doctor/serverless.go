package doctor

import (
	"maps"
	"slices"
	"strings"
)

// serverless reads a serverless.yml of the Serverless Framework (or osls): its functions and the authorizers of their
// events, and its CloudFormation resources. Variables such as ${param:x} are known at deployment only.
func (t *template) serverless(doc map[string]any) {
	provider, functions := object(doc["provider"]), object(doc["functions"])
	for _, part := range list(doc["resources"]) {
		t.cloudFormation(object(part))
	}
	for _, part := range list(doc["functions"]) { // a list of files is written out by the tool, and is not read here
		for name, f := range object(part) {
			if functions == nil {
				functions = map[string]any{}
			}
			functions[name] = f
		}
	}
	retention := provider["logRetentionInDays"]
	shared := object(provider["environment"])
	for _, name := range slices.Sorted(maps.Keys(functions)) {
		f := object(functions[name])
		kept := retention
		if f["logRetentionInDays"] != nil {
			kept = f["logRetentionInDays"]
		}
		environment := map[string]any{"Variables": merged(shared, object(f["environment"]))}
		props := map[string]any{"Handler": f["handler"], "FunctionName": f["name"], "Role": f["role"], "Environment": environment}
		if kept != nil {
			props["LoggingConfig"] = map[string]any{"LogGroup": name}
		}
		policies := list(f["iamRoleStatements"])
		var managed []any
		if f["role"] == nil && f["iamRoleStatementsInherit"] != false && (len(policies) == 0 || f["iamRoleStatementsInherit"] == true) {
			policies = append(policies, list(at(provider, "iam", "role", "statements"))...)
			policies = append(policies, list(provider["iamRoleStatements"])...)
			managed = append(list(at(provider, "iam", "role", "managedPolicies")), list(provider["iamManagedPolicies"])...)
		}
		props["Policies"] = append([]any{map[string]any{"Statement": policies}}, managed...)
		t.add(name, "AWS::Serverless::Function", props, f)
		for _, event := range list(f["events"]) {
			t.event(name, object(event))
		}
	}
	t.cors(t.file+": provider.httpApi.cors", at(provider, "httpApi", "cors", "allowedOrigins"), at(provider, "httpApi", "cors", "allowCredentials"))
	all := object(at(provider, "httpApi", "authorizers"))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		c := object(all[name])
		if words(c["type"]) != "request" {
			continue // JWT
		}
		a := authorizer{where: t.file + ": provider.httpApi.authorizers." + name, api: "http", simple: t.yes(c["enableSimpleResponses"]), function: words(c["functionName"]) + " " + words(c["functionArn"])}
		for _, s := range list(c["identitySource"]) {
			a.sources = append(a.sources, split(words(s))...)
		}
		a.ttl, a.ttlKnown = t.number(c["resultTtlInSeconds"], 0)
		t.authorizer(a)
	}
}

// event reads the authorizer of one event of a function.
func (t *template) event(function string, event map[string]any) {
	where := t.file + ": functions." + function
	if http := object(event["http"]); http != nil {
		if c := object(http["cors"]); c != nil {
			t.cors(where, append(list(c["origin"]), list(c["origins"])...), c["allowCredentials"])
		}
		c := object(http["authorizer"])
		if name, ok := http["authorizer"].(string); ok {
			c = map[string]any{"name": name}
		}
		kind := strings.ToLower(words(c["type"]))
		if c == nil || strings.Contains(kind, "cognito") || strings.Contains(kind, "aws_iam") || c["name"] == "aws_iam" {
			return
		}
		a := authorizer{where: where, api: "rest", token: kind != "request", expression: c["identityValidationExpression"] != nil, function: words(c["name"]) + " " + words(c["arn"])}
		if a.sources = split(words(c["identitySource"])); len(a.sources) == 0 {
			a.sources = []string{"method.request.header.Authorization"}
		}
		a.ttl, a.ttlKnown = t.number(c["resultTtlInSeconds"], 300)
		t.authorizer(a)
	}
	if c := at(event, "websocket", "authorizer"); c != nil {
		a := authorizer{where: where, api: "websocket", function: words(at(c, "name")) + " " + words(at(c, "arn"))}
		for _, s := range list(at(c, "identitySource")) {
			a.sources = append(a.sources, split(words(s))...)
		}
		if name, ok := c.(string); ok {
			a.function = name
		}
		if len(a.sources) == 0 {
			a.sources = []string{"route.request.header.Auth"} // the default of the tool
			t.find("authorizer-websocket", where, "no identity source: the tool takes the header Auth, which nothing sends")
		}
		t.authorizer(a)
	}
}
