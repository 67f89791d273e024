package doctor

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
)

// A statement is one of an IAM policy that allows something.
type statement struct {
	where     string
	actions   []string // patterns, in small letters
	except    []string // NotAction: every action but these
	managed   string   // a policy of AWS by which a key is read
	resources string   // all of them, as words
	anything  bool     // one of the resources is "*", or there are exceptions only
	verifier  bool     // an authorizer's role has it
}

// statements reads a policy document: an object, or its JSON as a string.
func statements(where string, v any, verifier bool) []statement {
	if text, ok := v.(string); ok {
		var doc any
		if json.Unmarshal([]byte(text), &doc) != nil {
			return nil // known at deployment only
		}
		v = doc
	}
	if doc := object(v); doc["Statement"] != nil {
		v = doc["Statement"]
	}
	var all []statement
	for _, one := range list(v) {
		s := object(one)
		if s["Action"] == nil && s["NotAction"] == nil || strings.EqualFold(words(s["Effect"]), "Deny") {
			continue
		}
		allowed := statement{where: where, verifier: verifier, resources: words(s["Resource"])}
		for _, a := range list(s["Action"]) {
			allowed.actions = append(allowed.actions, strings.ToLower(words(a)))
		}
		for _, a := range list(s["NotAction"]) {
			allowed.except = append(allowed.except, strings.ToLower(words(a)))
		}
		allowed.anything = slices.ContainsFunc(list(s["Resource"]), func(r any) bool { return words(r) == "*" })
		if s["NotResource"] != nil {
			allowed.resources, allowed.anything = "everything but "+words(s["NotResource"]), true
		}
		all = append(all, allowed)
	}
	return all
}

// managedPolicies are the policies among these names and ARNs by which a key can be read or used.
func managedPolicies(where string, policies any, verifier bool) (all []statement) {
	for _, p := range list(policies) {
		if name := broadPolicy.FindString(words(p)); name != "" && object(p)["Statement"] == nil {
			name = strings.TrimLeft(name, "/ ")
			all = append(all, statement{where: where, managed: "the managed policy " + name, resources: "*", anything: true, verifier: verifier})
		}
	}
	return all
}

// broadPolicy matches the managed policies of AWS that allow what reading has:
// https://docs.aws.amazon.com/aws-managed-policy/latest/reference/policy-list.html
var broadPolicy = regexp.MustCompile(`(?:^|[/ ])(?:AdministratorAccess[\w-]*|PowerUserAccess|ReadOnlyAccess` +
	`|\w*(?:SSM|SystemsManager|SecretsManager|KMS|KeyManagementService)\w*(?:FullAccess|ReadOnlyAccess|ReadWrite|PowerUser)` +
	`|AmazonSSMManagedInstanceCore|AmazonEC2RoleforSSM)$`)

// reading are actions that return a key, use one, or let somebody do so.
var reading = []string{
	"ssm:getparameter", "ssm:getparameters", "ssm:getparametersbypath", "ssm:getparameterhistory",
	"secretsmanager:getsecretvalue", "secretsmanager:batchgetsecretvalue",
	"kms:decrypt", "kms:sign", "kms:generatedatakey", "kms:reencryptfrom", "kms:reencryptto", "kms:creategrant",
}

// reads returns the first action of a statement that returns a key. Patterns may have * and ?.
func (s statement) reads() string {
	if s.managed != "" {
		return s.managed
	}
	for _, action := range s.actions {
		if slices.ContainsFunc(reading, matcher(action)) {
			return action
		}
	}
	if len(s.except) == 0 {
		return ""
	}
	for _, action := range reading {
		if !slices.ContainsFunc(s.except, func(pattern string) bool { return matcher(pattern)(action) }) {
			return "every action but " + strings.Join(s.except, " ")
		}
	}
	return ""
}

// matcher returns what reports whether an action is one of a pattern.
func matcher(pattern string) func(action string) bool {
	pattern = regexp.QuoteMeta(pattern)
	pattern = strings.ReplaceAll(strings.ReplaceAll(pattern, `\*`, ".*"), `\?`, ".")
	matches, err := regexp.Compile("^(?:" + pattern + ")$")
	if err != nil {
		return func(string) bool { return false }
	}
	return matches.MatchString
}

// verifierName reports whether a name is that of an authorizer.
func verifierName(name string) bool { return strings.Contains(strings.ToLower(name), "authori") }

// roles looks for statements by which an authorizer could read a private key, and for those over everything.
func (t *template) roles() {
	t.Ran("authorizer-keys", "role-wide")
	verifiers := t.verifierRoles()
	var all []statement
	for _, r := range t.resources {
		verifier := verifiers[r.id]
		switch r.kind {
		case "AWS::IAM::Role":
			for _, p := range list(r.props["Policies"]) {
				all = append(all, statements(r.where, object(p)["PolicyDocument"], verifier)...)
			}
			all = append(all, managedPolicies(r.where, r.props["ManagedPolicyArns"], verifier)...)
		case "AWS::IAM::Policy", "AWS::IAM::ManagedPolicy", "AWS::IAM::RolePolicy":
			for _, role := range append(list(r.props["Roles"]), list(r.props["RoleName"])...) {
				verifier = verifier || verifiers[words(role)] || verifierName(words(role))
			}
			all = append(all, statements(r.where, r.props["PolicyDocument"], verifier)...)
			all = append(all, managedPolicies(r.where, r.props["ManagedPolicyArns"], verifier)...) // of an attachment
		case "AWS::Serverless::Function":
			all = append(all, managedPolicies(r.where, r.props["Policies"], verifier)...)
			for _, p := range list(r.props["Policies"]) {
				all = append(all, statements(r.where, p, verifier)...)
				for name, with := range object(p) { // templates of SAM
					if verifier && (strings.HasPrefix(name, "SSMParameter") || strings.Contains(name, "SecretsManager") || name == "KMSDecryptPolicy") {
						t.find("authorizer-keys", r.where, "the policy template %s for %s", name, words(with))
					}
				}
			}
		}
	}
	for _, s := range all {
		action := s.reads()
		switch {
		case action == "":
		case s.verifier:
			t.find("authorizer-keys", s.where, "%s on %s", action, s.resources)
		case s.anything:
			t.find("role-wide", s.where, "%s on *", action)
		}
	}
}

// verifierRoles returns the ids of functions that are authorizers, and of their roles.
func (t *template) verifierRoles() map[string]bool {
	all := map[string]bool{}
	for _, r := range t.resources {
		if r.kind != "AWS::Serverless::Function" && r.kind != "AWS::Lambda::Function" {
			continue
		}
		is := verifierName(r.id) || verifierName(words(r.props["FunctionName"])) || verifierName(words(r.props["Handler"]))
		for function := range t.verifiers {
			is = is || regexp.MustCompile(`(?:^|[^A-Za-z0-9])`+regexp.QuoteMeta(r.id)+`(?:$|[^A-Za-z0-9])`).MatchString(function)
		}
		if is {
			all[r.id] = true
			for part := range strings.SplitSeq(strings.ReplaceAll(words(r.props["Role"]), ".", " "), " ") {
				if part != "" && part != "Arn" {
					all[part] = true
				}
			}
		}
	}
	// Policies of the template that such a role or function names are theirs as well.
	for _, r := range t.resources {
		if !all[r.id] {
			continue
		}
		for _, p := range append(list(r.props["ManagedPolicyArns"]), list(r.props["Policies"])...) {
			if name, ok := at(p, "Ref").(string); ok {
				all[name] = true
			}
		}
	}
	return all
}
