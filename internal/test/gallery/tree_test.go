package gallery

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/chromedp"
)

// spoken are the roles that a golden tree has: what screen readers announce.
var spoken = []string{"alert", "banner", "button", "cell", "checkbox", "columnheader", "combobox", "contentinfo", "definition", "form", "heading", "image", "link",
	"main", "navigation", "option", "region", "row", "rowheader", "searchbox", "status", "table", "term", "textbox"}

// TestTrees: what screen readers get of each page with a form is that of testdata/trees.txt: roles, names, and what is
// said of a field.
func TestTrees(t *testing.T) {
	s := newStudio(t, newWorld(t))
	var b strings.Builder
	for _, shot := range reached(t) {
		if len(formsOf(shot.body)) == 0 {
			continue
		}
		s.show(shot)
		fmt.Fprintf(&b, "== %s\n", shot.name())
		s.run(chromedp.ActionFunc(func(ctx context.Context) error {
			var tree struct {
				Nodes []treeNode `json:"nodes"`
			}
			err := cdp.Execute(ctx, accessibility.CommandGetFullAXTree, nil, &tree)
			for _, n := range tree.Nodes {
				b.WriteString(n.line())
			}
			return err
		}))
		b.WriteByte('\n')
	}
	const golden = "testdata/trees.txt"
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, []byte(b.String())) {
		have, wanted := strings.Split(b.String(), "\n"), strings.Split(string(want), "\n")
		for i := range min(len(have), len(wanted)) {
			if have[i] != wanted[i] {
				t.Fatalf("line %d of %s: the page has\n%s\nwant\n%s\nIf that is meant: run the test with -update.", i+1, golden, have[i], wanted[i])
			}
		}
		t.Fatalf("the pages have %d lines, %s has %d", len(have), golden, len(wanted))
	}
}

// A treeNode is a node of the accessibility tree. cdproto's type refuses names that today's Chromium sends.
type treeNode struct {
	Ignored     bool      `json:"ignored"`
	Role        treeValue `json:"role"`
	Name        treeValue `json:"name"`
	Description treeValue `json:"description"`
	Properties  []struct {
		Name  string    `json:"name"`
		Value treeValue `json:"value"`
	} `json:"properties"`
}

type treeValue struct {
	Value any `json:"value"`
}

func (v treeValue) String() string {
	if v.Value == nil {
		return ""
	}
	return fmt.Sprint(v.Value)
}

func (n treeNode) line() string {
	if n.Ignored || !slices.Contains(spoken, n.Role.String()) {
		return ""
	}
	line := fmt.Sprintf("%s %q", n.Role, n.Name)
	if d := n.Description.String(); d != "" {
		line += fmt.Sprintf(" described %q", d)
	}
	for _, p := range n.Properties {
		v := p.Value.String()
		switch p.Name {
		case "required", "invalid":
			if v != "false" {
				line += " " + p.Name
			}
		case "level":
			line += " level " + v
		}
	}
	return line + "\n"
}
