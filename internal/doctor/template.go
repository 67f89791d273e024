package doctor

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

const (
	maxTemplate = 32 << 20 // bytes: the plan of a large Terraform project has some
	maxNodes    = 500_000  // of a document, aliases counted as often as they stand
	maxDepth    = 200
)

// A resource is one thing that a template makes, in the words of CloudFormation.
type resource struct {
	where string // file and logical id, for findings
	id    string
	kind  string
	props map[string]any
	attrs map[string]any // DeletionPolicy and other attributes beside Properties
}

// A template is one file, whatever its format.
type template struct {
	*Report
	file      string
	resources []resource
	params    map[string]any // defaults of parameters, by name
	verifiers map[string]bool
}

// Template adds the findings about a file to a report: a template of SAM or CloudFormation (YAML or JSON), a
// serverless.yml, or the output of `terraform show -json` of a plan. name is for findings.
func Template(name string, data []byte, to *Report) {
	t := &template{Report: to, file: name, params: map[string]any{}, verifiers: map[string]bool{}}
	doc, err := parseTemplate(data)
	to.Ran("template-unreadable")
	if err != nil {
		to.find("template-unreadable", name, "%v", err)
		return
	}
	switch {
	case doc["planned_values"] != nil:
		t.terraform(object(doc["planned_values"]))
	case doc["Resources"] != nil:
		t.cloudFormation(doc)
	case doc["service"] != nil && doc["provider"] != nil:
		t.serverless(doc)
	default:
		to.find("template-unreadable", name, "it has neither Resources (SAM, CloudFormation) nor service and provider (serverless.yml) nor planned_values (terraform show -json)")
		return
	}
	t.authorizers()
	t.roles()
	t.rest()
}

// parseTemplate reads JSON, or YAML with the short forms of CloudFormation's functions.
func parseTemplate(data []byte) (map[string]any, error) {
	if len(data) > maxTemplate {
		return nil, fmt.Errorf("it has more than %d MiB", maxTemplate>>20)
	}
	var root any
	if trimmed := strings.TrimSpace(string(data)); strings.HasPrefix(trimmed, "{") && json.Valid(data) {
		if err := json.Unmarshal(data, &root); err != nil {
			return nil, err
		}
	} else {
		var node yaml.Node
		if err := yaml.Unmarshal(data, &node); err != nil {
			return nil, err
		}
		budget := maxNodes
		var err error
		if root, err = value(&node, &budget, 0); err != nil {
			return nil, err
		}
	}
	doc, ok := root.(map[string]any)
	if !ok {
		return nil, errors.New("it is not an object")
	}
	return doc, nil
}

// value makes a plain value of a YAML node. A tag such as !Sub becomes {"Fn::Sub": …}, as in JSON.
func value(n *yaml.Node, budget *int, depth int) (any, error) {
	if *budget--; *budget < 0 || depth > maxDepth {
		return nil, errors.New("it is too large or too deep when aliases are written out")
	}
	var v any
	switch n.Kind {
	case yaml.DocumentNode:
		if len(n.Content) == 0 {
			return nil, nil
		}
		return value(n.Content[0], budget, depth+1)
	case yaml.AliasNode:
		return value(n.Alias, budget, depth+1)
	case yaml.MappingNode:
		m := map[string]any{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			one, err := value(n.Content[i+1], budget, depth+1)
			if err != nil {
				return nil, err
			}
			if n.Content[i].Tag == "!!merge" {
				for _, from := range list(one) { // the first of several wins
					for name, merged := range object(from) {
						if _, have := m[name]; !have {
							m[name] = merged
						}
					}
				}
				continue
			}
			m[n.Content[i].Value] = one
		}
		v = m
	case yaml.SequenceNode:
		list := []any{}
		for _, c := range n.Content {
			one, err := value(c, budget, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, one)
		}
		v = list
	case yaml.ScalarNode:
		switch n.Tag {
		case "!!int", "!!float":
			if f, err := strconv.ParseFloat(strings.ReplaceAll(n.Value, "_", ""), 64); err == nil {
				v = f
			} else {
				v = n.Value
			}
		case "!!bool":
			v = strings.EqualFold(n.Value, "true")
		case "!!null":
			v = nil
		default:
			v = n.Value
		}
	}
	if name, short := strings.CutPrefix(n.Tag, "!"); short && name != "" && !strings.HasPrefix(name, "!") {
		if name != "Ref" && name != "Condition" {
			name = "Fn::" + name
		}
		return map[string]any{name: v}, nil
	}
	return v, nil
}

func object(v any) map[string]any { m, _ := v.(map[string]any); return m }

// list returns the members of a list, or the one value.
func list(v any) []any {
	switch v := v.(type) {
	case nil:
		return nil
	case []any:
		return v
	}
	return []any{v}
}

// at goes down by names.
func at(v any, names ...string) any {
	for _, name := range names {
		v = object(v)[name]
	}
	return v
}

// words are all strings in a value, joined: an ARN that is put together by Fn::Sub or Fn::Join keeps its parts.
func words(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case []any:
		var all []string
		for _, one := range v {
			all = append(all, words(one))
		}
		return strings.Join(all, " ")
	case map[string]any:
		var all []string
		for _, name := range slices.Sorted(maps.Keys(v)) {
			all = append(all, words(v[name]))
		}
		return strings.Join(all, " ")
	}
	return ""
}

// known resolves a reference to a parameter with a default. The result may still be a reference.
func (t *template) known(v any) any {
	if name, ok := at(v, "Ref").(string); ok {
		if value, ok := t.params[name]; ok {
			return value
		}
	}
	return v
}

// number returns a number, the fallback for a value that is not there, and false for one that is known at deployment
// only.
func (t *template) number(v any, fallback int) (int, bool) {
	switch v := t.known(v).(type) {
	case nil:
		return fallback, true
	case float64:
		return int(v), true
	case string:
		n, err := strconv.Atoi(v)
		return n, err == nil
	}
	return 0, false
}

// yes reports whether a value is true; one that is known at deployment only counts as true.
func (t *template) yes(v any) bool {
	switch v := t.known(v).(type) {
	case nil:
		return false
	case bool:
		return v
	case string:
		return !strings.EqualFold(v, "false") && v != ""
	}
	return true
}

func (t *template) add(id, kind string, props, attrs map[string]any) {
	t.resources = append(t.resources, resource{where: t.file + ": " + id, id: id, kind: kind, props: props, attrs: attrs})
}

// cloudFormation reads a template of CloudFormation or SAM.
func (t *template) cloudFormation(doc map[string]any) {
	for name, p := range object(doc["Parameters"]) {
		if value, ok := object(p)["Default"]; ok {
			t.params[name] = value
		}
	}
	all := object(doc["Resources"])
	for _, id := range slices.Sorted(maps.Keys(all)) {
		r := object(all[id])
		kind, _ := r["Type"].(string)
		props := object(r["Properties"])
		if defaults := object(at(doc, "Globals", strings.TrimPrefix(kind, "AWS::Serverless::"))); defaults != nil && strings.HasPrefix(kind, "AWS::Serverless::") {
			props = merged(defaults, props)
		}
		t.add(id, kind, props, r)
	}
}

// merged is what SAM makes of Globals: members of objects come together.
func merged(below, above map[string]any) map[string]any {
	all := make(map[string]any, len(below)+len(above))
	maps.Copy(all, below)
	for name, v := range above {
		if a, b := object(all[name]), object(v); a != nil && b != nil {
			v = merged(a, b)
		}
		all[name] = v
	}
	return all
}
