package ui

import (
	"embed"
	"html/template"
	"path"
	"strings"
)

//go:embed marks
var markFiles embed.FS

// readMarks returns the pictures of services, by the name in postern.Link.Mark. They are files of this package, so
// they are HTML that needs no escaping. marks/README.md says where they are from.
func readMarks() map[string]template.HTML {
	all := map[string]template.HTML{}
	entries, _ := markFiles.ReadDir("marks") // embedded: it cannot fail
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ".svg")
		if !ok {
			continue
		}
		content, _ := markFiles.ReadFile(path.Join("marks", e.Name()))
		svg := strings.Replace(strings.TrimSpace(string(content)), "<svg ", `<svg class="mark" aria-hidden="true" focusable="false" `, 1)
		all[name] = template.HTML(strings.Replace(svg, ` xmlns="http://www.w3.org/2000/svg"`, "", 1)) //nolint:gosec // a file of this package
	}
	return all
}
