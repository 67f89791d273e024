package infra_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/posternauth/postern/internal/test/infra"
)

var capital = regexp.MustCompile(`([a-z])([A-Z])`)

// snake returns the name of a property as Terraform writes it.
func snake(property string) string {
	return strings.ToLower(capital.ReplaceAllString(property, "${1}_$2"))
}

func checkTerraformAlarms(t *testing.T, alarms []infra.Resource, handlers map[string]string) {
	t.Helper()
	var got []string
	shares := 0
	for _, a := range alarms {
		if a.Text("alarm_actions") != "["+samValues["Topic"]+"]" || a.Text("alarm_description") == "" {
			t.Errorf("%s: %v", a.Text("alarm_name"), a.Properties)
		}
		queries, _ := a.Get("metric_query").([]any)
		for i := range queries {
			if text := a.Text(fmt.Sprintf("metric_query.%d.expression", i)); !filled(text) {
				t.Errorf("%s: %s has no datapoint where a metric has none", a.Text("alarm_name"), text)
			} else if checkShare(t, a, text, snake) {
				shares++
			}
			if name := a.Text(fmt.Sprintf("metric_query.%d.metric.0.metric_name", i)); name != "" {
				got = append(got, a.Text(fmt.Sprintf("metric_query.%d.metric.0.namespace", i))+" "+name)
			}
		}
		if len(queries) > 0 {
			continue
		}
		name := a.Text("namespace") + " " + a.Text("metric_name")
		switch {
		case a.Text("extended_statistic") != "":
			name += " " + a.Text("extended_statistic")
		case a.Text("namespace") == "AWS/Lambda":
			name += " " + handlers[a.Text("dimensions.FunctionName")]
		case a.Text("namespace") == "Postern" && a.Text("dimensions.Issuer") != issuer:
			t.Errorf("%s has the dimensions %v", name, a.Get("dimensions"))
		}
		got = append(got, name)
	}
	slices.Sort(got)
	if shares != 1 {
		t.Errorf("%d alarms on the share of failed sign-ins", shares)
	}
	if !slices.Equal(got, wantAlarms) {
		t.Errorf("alarms on\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(wantAlarms, "\n"))
	}
}
