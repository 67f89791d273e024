package doctor

import (
	"maps"
	"regexp"
	"slices"
	"strings"
)

// rest checks everything but authorizers and roles.
func (t *template) rest() {
	t.Ran("table-ttl", "table-recovery", "table-deletion", "dev-variable", "plain-secret", "log-retention", "template-cors", "cdn-cache")
	groups := ""
	for _, r := range t.resources {
		if r.kind == "AWS::Logs::LogGroup" {
			groups += " " + words(r.props["LogGroupName"])
		}
	}
	for _, r := range t.resources {
		switch r.kind {
		case "AWS::DynamoDB::Table", "AWS::DynamoDB::GlobalTable":
			t.table(r)
		case "AWS::Serverless::SimpleTable":
			t.find("table-ttl", r.where, "a SimpleTable has no Time to Live")
		case "AWS::Lambda::Function", "AWS::Serverless::Function":
			t.variables(r.where, object(at(r.props, "Environment", "Variables")))
			// Code that comes from a template, such as that of a custom resource, has no people's data in its log.
			if at(r.props, "LoggingConfig", "LogGroup") == nil && at(r.props, "Code", "ZipFile") == nil && !mentions(groups, r.id) &&
				(words(r.props["FunctionName"]) == "" || !strings.Contains(groups, words(r.props["FunctionName"]))) {
				t.find("log-retention", r.where, "no log group of the template is that of this function")
			}
		case "AWS::Logs::LogGroup":
			if r.props["RetentionInDays"] == nil {
				t.find("log-retention", r.where, "no RetentionInDays")
			}
		case "AWS::ApiGatewayV2::Api":
			c := object(r.props["CorsConfiguration"])
			t.cors(r.where, c["AllowOrigins"], c["AllowCredentials"])
		case "AWS::Serverless::HttpApi":
			if c := object(r.props["CorsConfiguration"]); c != nil {
				t.cors(r.where, c["AllowOrigins"], c["AllowCredentials"])
			}
		case "AWS::Serverless::Api":
			if c := object(r.props["Cors"]); c != nil {
				t.cors(r.where, c["AllowOrigin"], c["AllowCredentials"])
			}
		case "AWS::ApiGateway::GatewayResponse":
			p := object(r.props["ResponseParameters"])
			t.cors(r.where, p["gatewayresponse.header.Access-Control-Allow-Origin"], strings.Trim(words(p["gatewayresponse.header.Access-Control-Allow-Credentials"]), "'"))
		case "AWS::CloudFront::Distribution":
			t.distribution(r)
		}
	}
}

// mentions reports whether a text has a name as a word.
func mentions(text, name string) bool {
	return regexp.MustCompile(`(?:^|[^A-Za-z0-9])` + regexp.QuoteMeta(name) + `(?:$|[^A-Za-z0-9])`).MatchString(text)
}

// table checks a table whose keys are those of the store; other tables belong to the application.
func (t *template) table(r resource) {
	var names []string
	for _, k := range list(r.props["KeySchema"]) {
		names = append(names, words(at(k, "AttributeName")))
	}
	if slices.Sort(names); len(names) > 0 && !slices.Equal(names, []string{"pk", "sk"}) {
		return
	}
	if ttl := object(r.props["TimeToLiveSpecification"]); words(ttl["AttributeName"]) != "expiry" || !t.yes(ttl["Enabled"]) {
		t.find("table-ttl", r.where, "Time to Live is not on the attribute expiry")
	}
	recovery, protected := t.yes(at(r.props, "PointInTimeRecoverySpecification", "PointInTimeRecoveryEnabled")), t.yes(r.props["DeletionProtectionEnabled"])
	for _, replica := range list(r.props["Replicas"]) {
		recovery = recovery || t.yes(at(replica, "PointInTimeRecoverySpecification", "PointInTimeRecoveryEnabled"))
		protected = protected || t.yes(at(replica, "DeletionProtectionEnabled"))
	}
	if !recovery {
		t.find("table-recovery", r.where, "point-in-time recovery is off")
	}
	if !protected {
		t.find("table-deletion", r.where, "deletion protection is off")
	}
}

var (
	secretName  = regexp.MustCompile(`(?i)(secret|passw|private_?key|api_?key|access_?key|vault_?key|master_?key|token)`)
	otherName   = regexp.MustCompile(`(?i)(_arns?|_names?|_path|_file|_ids?|_url|_prefix|_ttl|_table|_endpoint|_uri|_seconds|_minutes|_hours)$`)
	devName     = regexp.MustCompile(`^POSTERN_(DEV|DEVELOPMENT|INSECURE|TEST)(_|$)`)
	keyText     = regexp.MustCompile(`-----BEGIN [A-Z ]*PRIVATE KEY-----|^AKIA[0-9A-Z]{16}$|^gh[pos]_[A-Za-z0-9]{36}|^sk_live_|^GOCSPX-`)
	urlPassword = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*://[^/@:\s]*:[^/@\s]+@`)
)

// variables looks at the variables of a function.
func (t *template) variables(where string, all map[string]any) {
	for _, name := range slices.Sorted(maps.Keys(all)) {
		text, literal := t.known(all[name]).(string)
		reference := text == "" || strings.Contains(text, "${") || strings.Contains(text, "{{resolve:") ||
			strings.HasPrefix(text, "arn:") || strings.HasPrefix(text, "ssm:") || strings.HasPrefix(text, "kms:") || strings.HasPrefix(text, "secrets-manager:") || strings.HasPrefix(text, "secret:") || strings.HasPrefix(text, "/")
		// CloudFormation writes the value of a dynamic reference into the settings of the function.
		dynamic := strings.Contains(text, "{{resolve:secretsmanager:") || strings.Contains(text, "{{resolve:ssm-secure:")
		inURL := urlPassword.MatchString(text) && !reference
		if literal && (dynamic || inURL || keyText.MatchString(text) || secretName.MatchString(name) && !otherName.MatchString(name) && !reference && len(text) >= 8) {
			t.find("plain-secret", where, "the value of %s is in the template, or will be in the settings of the function", name)
		}
		local := strings.HasPrefix(text, "http://") || strings.Contains(text, "://localhost") || strings.Contains(text, "://127.0.0.1")
		if devName.MatchString(name) || literal && local && strings.HasPrefix(name, "POSTERN_") {
			t.find("dev-variable", where, "%s", name)
		}
	}
}

func (t *template) cors(where string, origins, credentials any) {
	for _, o := range list(t.known(origins)) {
		if strings.Trim(words(o), "'") == "*" && t.yes(credentials) {
			t.find("template-cors", where, "the origin * with credentials")
		}
	}
}

// uncached are the policies of CloudFront that keep nothing: CachingDisabled.
var uncached = []string{"4135ea2d-6df8-44a3-9df3-4b5a84be39ad"}

// distribution looks at the behaviours that can be those of an issuer.
func (t *template) distribution(r resource) {
	c := object(r.props["DistributionConfig"])
	named := false
	check := func(where string, b map[string]any) {
		off := slices.Contains(uncached, words(b["CachePolicyId"]))
		if forwarded := object(b["ForwardedValues"]); b["CachePolicyId"] == nil && forwarded != nil {
			most, known := t.number(b["MaxTTL"], 31536000)
			usual, usualKnown := t.number(b["DefaultTTL"], 86400)
			off = known && most == 0 || usualKnown && usual == 0 && words(at(forwarded, "Cookies", "Forward")) == "all"
		}
		if id, reference := b["CachePolicyId"].(map[string]any); reference {
			off = t.ownPolicy(id)
		}
		if !off {
			t.find("cdn-cache", where, "the cache policy is not CachingDisabled: %q", words(b["CachePolicyId"]))
		}
	}
	for _, one := range list(c["CacheBehaviors"]) {
		b := object(one)
		pattern := words(b["PathPattern"])
		if strings.Contains(pattern, "auth") || strings.Contains(pattern, ".well-known") {
			named = true
			check(r.where+" "+pattern, b)
		}
	}
	if named {
		return // then the default is that of the front end
	}
	b := object(c["DefaultCacheBehavior"])
	for _, one := range list(c["Origins"]) {
		o := object(one)
		domain := words(o["DomainName"])
		if words(o["Id"]) == words(b["TargetOriginId"]) && (strings.Contains(domain, "execute-api") || strings.Contains(domain, "lambda-url") || strings.Contains(domain, "FunctionUrl")) {
			check(r.where+" (default)", b)
		}
	}
}

// ownPolicy reports whether a cache policy of the same template keeps nothing.
func (t *template) ownPolicy(reference map[string]any) bool {
	name, _, _ := strings.Cut(words(reference), ".")
	for _, r := range t.resources {
		if r.id == name && r.kind == "AWS::CloudFront::CachePolicy" {
			c := object(r.props["CachePolicyConfig"])
			most, known := t.number(c["MaxTTL"], 31536000)
			return known && most == 0
		}
	}
	return name == "" || strings.HasPrefix(name, "AWS")
}
