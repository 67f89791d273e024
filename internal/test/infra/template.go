package infra

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The account and the region of resolved templates.
const (
	Account = "123456789012"
	Region  = "eu-west-1"
)

// A Template is a CloudFormation template in which all functions are worked out. A name or an ARN that AWS would choose
// is made of the logical id of its resource.
type Template struct {
	Resources map[string]Resource
	Outputs   map[string]any

	// Refused are the assertions of Rules that do not hold: CloudFormation would create nothing.
	Refused []string
}

// A Resource of a template.
type Resource struct {
	Type           string
	DeletionPolicy string
	Properties     map[string]any
}

// Resolve works out a template in JSON. Parameters without a value in values have their default.
func Resolve(t testing.TB, document []byte, values map[string]string) *Template {
	t.Helper()
	var raw struct {
		Parameters map[string]struct{ Default any }
		Conditions map[string]any
		Rules      map[string]struct {
			Assertions []struct {
				Assert            any
				AssertDescription string
			}
		}
		Mappings  map[string]map[string]map[string]any
		Resources map[string]struct {
			Type, Condition, DeletionPolicy string
			Properties                      map[string]any
		}
		Outputs map[string]struct {
			Condition string
			Value     any
		}
	}
	if err := json.Unmarshal(document, &raw); err != nil {
		t.Fatal(err)
	}
	r := &resolver{
		values: map[string]any{
			"AWS::AccountId": Account, "AWS::Region": Region, "AWS::Partition": "aws", "AWS::URLSuffix": "amazonaws.com",
			"AWS::StackName": "stack", "AWS::StackId": "arn:aws:cloudformation:" + Region + ":" + Account + ":stack/stack/1", "AWS::NoValue": absent{},
		},
		types: map[string]string{}, conditions: raw.Conditions, mappings: raw.Mappings, properties: map[string]map[string]any{},
	}
	for name, p := range raw.Parameters {
		value, given := values[name]
		switch {
		case given:
			r.values[name] = value
		case p.Default != nil:
			r.values[name] = fmt.Sprint(p.Default)
		}
	}
	for name := range values {
		if _, declared := raw.Parameters[name]; !declared {
			t.Fatalf("the template has no parameter %s", name)
		}
	}
	for id, resource := range raw.Resources {
		r.types[id], r.properties[id] = resource.Type, resource.Properties
	}
	out := &Template{Resources: map[string]Resource{}, Outputs: map[string]any{}}
	for id, resource := range raw.Resources {
		if resource.Condition != "" && !r.condition(resource.Condition) {
			continue
		}
		properties, _ := r.resolve(resource.Properties).(map[string]any)
		out.Resources[id] = Resource{resource.Type, resource.DeletionPolicy, properties}
	}
	for _, rule := range raw.Rules {
		for _, a := range rule.Assertions {
			if holds, _ := r.resolve(a.Assert).(bool); !holds {
				out.Refused = append(out.Refused, a.AssertDescription)
			}
		}
	}
	for id, output := range raw.Outputs {
		if output.Condition == "" || r.condition(output.Condition) {
			out.Outputs[id] = r.resolve(output.Value)
		}
	}
	if len(r.errs) > 0 {
		t.Fatalf("the template cannot be resolved: %s", strings.Join(slices.Compact(slices.Sorted(slices.Values(r.errs))), "\n"))
	}
	return out
}

// Of returns the resources of a type by their ids.
func (t *Template) Of(kind string) map[string]Resource {
	out := map[string]Resource{}
	for id, r := range t.Resources {
		if r.Type == kind {
			out[id] = r
		}
	}
	return out
}

// One returns the only resource of a type.
func (t *Template) One(tb testing.TB, kind string) (string, Resource) {
	tb.Helper()
	found := t.Of(kind)
	if len(found) != 1 {
		tb.Fatalf("%d resources %s, want 1: %v", len(found), kind, slices.Sorted(maps.Keys(found)))
	}
	for id, r := range found {
		return id, r
	}
	panic("unreachable")
}

// Get returns a property by its path, such as "Environment.Variables.NAME".
func (r Resource) Get(path string) any {
	var value any = r.Properties
	for name := range strings.SplitSeq(path, ".") {
		switch v := value.(type) {
		case map[string]any:
			value = v[name]
		case []any:
			var i int
			if _, err := fmt.Sscan(name, &i); err != nil || i >= len(v) {
				return nil
			}
			value = v[i]
		default:
			return nil
		}
	}
	return value
}

// Text returns a property as text; numbers and booleans too.
func (r Resource) Text(path string) string {
	if value := r.Get(path); value != nil {
		return fmt.Sprint(value)
	}
	return ""
}

// absent is AWS::NoValue.
type absent struct{}

type resolver struct {
	values     map[string]any
	types      map[string]string
	properties map[string]map[string]any
	conditions map[string]any
	mappings   map[string]map[string]map[string]any
	errs       []string
}

func (r *resolver) fail(format string, args ...any) any {
	r.errs = append(r.errs, fmt.Sprintf(format, args...))
	return "?"
}

func (r *resolver) condition(name string) bool {
	ok, _ := r.resolve(r.conditions[name]).(bool)
	return ok
}

func (r *resolver) resolve(value any) any {
	switch v := value.(type) {
	case []any:
		out := []any{}
		for _, item := range v {
			if item = r.resolve(item); item != (absent{}) {
				out = append(out, item)
			}
		}
		return out
	case map[string]any:
		if len(v) == 1 {
			for name, argument := range v {
				if name == "Ref" || name == "Condition" || strings.HasPrefix(name, "Fn::") {
					if text, isText := argument.(string); name != "Condition" || isText && r.conditions[text] != nil {
						return r.call(name, argument)
					}
				}
			}
		}
		out := map[string]any{}
		for name, item := range v {
			if item = r.resolve(item); item != (absent{}) {
				out[name] = item
			}
		}
		return out
	}
	return value
}

func (r *resolver) call(name string, argument any) any {
	switch name {
	case "Ref":
		return r.ref(argument.(string))
	case "Condition":
		return r.condition(argument.(string))
	case "Fn::GetAtt":
		id, attribute, _ := strings.Cut(strings.Join(texts(argument), "."), ".")
		return r.attribute(id, attribute)
	case "Fn::Sub":
		return r.sub(argument)
	case "Fn::ImportValue":
		return fmt.Sprintf("import:%v", r.resolve(argument))
	case "Fn::If":
		arms := argument.([]any)
		if r.condition(arms[0].(string)) {
			return r.resolve(arms[1])
		}
		return r.resolve(arms[2])
	}
	list, _ := r.resolve(argument).([]any)
	switch name {
	case "Fn::Equals":
		return len(list) == 2 && fmt.Sprint(list[0]) == fmt.Sprint(list[1])
	case "Fn::Contains": // in rules alone
		return len(list) == 2 && slices.Contains(texts(list[0]), fmt.Sprint(list[1]))
	case "Fn::Not":
		return list[0] != true
	case "Fn::Or":
		return slices.Contains(list, any(true))
	case "Fn::And":
		return !slices.Contains(list, any(false))
	case "Fn::Join":
		return strings.Join(texts(list[1]), list[0].(string))
	case "Fn::Split":
		out := []any{}
		for part := range strings.SplitSeq(list[1].(string), list[0].(string)) {
			out = append(out, part)
		}
		return out
	case "Fn::Select":
		var i int
		if _, err := fmt.Sscan(fmt.Sprint(list[0]), &i); err != nil || i >= len(list[1].([]any)) {
			return r.fail("Fn::Select %v", list)
		}
		return list[1].([]any)[i]
	}
	return r.fail("%s is not known here", name)
}

func texts(value any) []string {
	if text, ok := value.(string); ok {
		return []string{text}
	}
	var out []string
	for _, item := range value.([]any) {
		out = append(out, fmt.Sprint(item))
	}
	return out
}

func (r *resolver) ref(name string) any {
	if value, ok := r.values[name]; ok {
		return value
	}
	switch r.types[name] {
	case "":
		return r.fail("Ref %s: no value", name)
	case "AWS::ApiGatewayV2::DomainName", "AWS::Logs::LogGroup", "AWS::ApiGatewayV2::Stage":
		for _, own := range []string{"DomainName", "LogGroupName", "StageName"} {
			if given, ok := r.properties[name][own]; ok {
				return r.resolve(given)
			}
		}
	}
	return name
}

// attribute returns an attribute of a resource: an ARN has the logical id as its name.
func (r *resolver) attribute(id, attribute string) any {
	kind := r.types[id]
	if kind == "" {
		return r.fail("Fn::GetAtt %s.%s: no such resource", id, attribute)
	}
	if attribute != "Arn" {
		return id + "." + attribute
	}
	service := map[string]string{
		"AWS::Lambda::Function": "lambda:%s:%s:function:", "AWS::Serverless::Function": "lambda:%s:%s:function:",
		"AWS::DynamoDB::Table": "dynamodb:%s:%s:table/", "AWS::DynamoDB::GlobalTable": "dynamodb:%s:%s:table/", "AWS::SQS::Queue": "sqs:%s:%s:",
		"AWS::Scheduler::ScheduleGroup": "scheduler:%s:%s:schedule-group/", "AWS::Scheduler::Schedule": "scheduler:%s:%s:schedule/", "AWS::KMS::Key": "kms:%s:%s:key/",
	}
	switch kind {
	case "AWS::IAM::Role":
		return "arn:aws:iam::" + Account + ":role/" + id
	case "AWS::Logs::LogGroup":
		return fmt.Sprintf("arn:aws:logs:%s:%s:log-group:%v:*", Region, Account, r.ref(id))
	}
	form, ok := service[kind]
	if !ok {
		return r.fail("Fn::GetAtt %s.Arn: the ARN of %s is not known here", id, kind)
	}
	return "arn:aws:" + fmt.Sprintf(form, Region, Account) + id
}

var placeholder = regexp.MustCompile(`\$\{([^}]*)\}`)

func (r *resolver) sub(argument any) any {
	text, local := "", map[string]any{}
	switch v := argument.(type) {
	case string:
		text = v
	case []any:
		text = v[0].(string)
		local, _ = r.resolve(v[1]).(map[string]any)
	}
	return placeholder.ReplaceAllStringFunc(text, func(match string) string {
		name := match[2 : len(match)-1]
		if literal, ok := strings.CutPrefix(name, "!"); ok {
			return "${" + literal + "}"
		}
		if value, ok := local[name]; ok {
			return fmt.Sprint(value)
		}
		if id, attribute, ok := strings.Cut(name, "."); ok {
			return fmt.Sprint(r.attribute(id, attribute))
		}
		return fmt.Sprint(r.ref(name))
	})
}
