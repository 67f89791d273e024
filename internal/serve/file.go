package serve

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// maxFile is the size of the largest configuration, in bytes.
const maxFile = 1 << 20

// maxParts is how many parts a dotted key may have. The settings have fewer.
const maxParts = 16

// maxKeys is how many keys a table may have: Unmarshal compares each with all others.
const maxKeys = 5000

type nodeKind int

const (
	aTable nodeKind = iota
	aList
	aText
	aBool
	anInt
	aTime
	other
)

func (k nodeKind) String() string {
	return [...]string{"a table", "a list", "text", "true or false", "a number", "a time", "a number with a point or a local time"}[k]
}

// A node is a value of the file with its place.
type node struct {
	kind  nodeKind
	line  int
	text  string // of a value that is not a table or a list
	items []*node
	keys  []string // of a table, in the order of the file
	table map[string]*node

	inline bool // a table in braces, or one that a dotted key made: no header adds to it
	header bool // a header has named it
}

func newTable(line int) *node { return &node{kind: aTable, line: line, table: map[string]*node{}} }

// A tree reads a file. It goes on after most mistakes, so that one run finds them all.
type tree struct {
	parser   unstable.Parser
	newlines []int // their places in the file, so that a line is found without reading the file again
	root     *node
	problems *problems
	crowded  bool // a table has too many keys
}

// readTree parses TOML 1.0. Package unstable of go-toml gives the place of each value, and accepts a key that
// stands twice; the tree checks this, and Unmarshal checks the rest.
func readTree(data []byte, found *problems) *node {
	if len(data) > maxFile {
		found.add(0, "", fmt.Sprintf("the file has more than %d bytes", maxFile), "move texts and pictures into other files")
		return nil
	}
	t := tree{root: newTable(1), problems: found}
	for i, b := range data {
		if b == '\n' {
			t.newlines = append(t.newlines, i)
		}
	}
	t.parser.Reset(data)
	at, path := t.root, ""
	for t.parser.NextExpression() {
		if t.crowded {
			return nil
		}
		e := t.parser.Expression()
		switch e.Kind {
		case unstable.Table, unstable.ArrayTable:
			at, path = t.open(e)
		case unstable.KeyValue:
			if at != nil {
				t.assign(at, path, e)
			}
		}
	}
	if t.crowded {
		return nil
	}
	if err := t.parser.Error(); err == nil {
		if len(*found) > 0 {
			return t.root
		}
	}
	var all map[string]any
	if err := toml.Unmarshal(data, &all); err != nil {
		line, text := 0, strings.TrimPrefix(err.Error(), "toml: ")
		var where *toml.DecodeError
		if errors.As(err, &where) {
			line, _ = where.Position()
		}
		found.add(line, "", "this is not TOML: "+text, "correct the line; text stands in quotes")
		return nil
	}
	return t.root
}

func (t *tree) line(r unstable.Range) int {
	before, _ := slices.BinarySearch(t.newlines, int(r.Offset))
	return before + 1
}

// names returns the parts of a key and the line of the first. It returns no parts for a key that has too many.
func (t *tree) names(n *unstable.Node) (names []string, line int) {
	for it := n.Key(); it.Next(); {
		if len(names) == 0 {
			line = t.line(it.Node().Raw)
		}
		if len(names) == maxParts {
			t.problems.add(line, "", fmt.Sprintf("the key has more than %d parts", maxParts), "postern config docs lists all settings")
			return nil, line
		}
		names = append(names, string(it.Node().Data))
	}
	return names, line
}

// open follows the header of a table or of an entry of a list. It returns nil if what follows has no place.
func (t *tree) open(e *unstable.Node) (*node, string) {
	names, line := t.names(e)
	if len(names) == 0 {
		return nil, ""
	}
	at, path := t.root, ""
	for i, name := range names {
		path = join(path, name)
		last, there := i == len(names)-1, at.table[name]
		switch {
		case last && e.Kind == unstable.ArrayTable:
			if there == nil {
				there = &node{kind: aList, line: line, header: true}
				t.put(at, name, there)
			}
			if there.kind != aList || !there.header {
				t.twice(line, path, there.line)
				return nil, ""
			}
			item := newTable(line)
			there.items = append(there.items, item)
			return item, fmt.Sprintf("%s[%d]", path, len(there.items)-1)
		case there == nil:
			there = newTable(line)
			t.put(at, name, there)
		case there.kind == aList && there.header && !last:
			path = fmt.Sprintf("%s[%d]", path, len(there.items)-1)
			there = there.items[len(there.items)-1]
		case there.kind != aTable || there.inline || last && there.header:
			t.twice(line, path, there.line)
			return nil, ""
		}
		if last {
			there.header = true
		}
		at = there
	}
	return at, path
}

// put adds a key to a table, unless the table has too many.
func (t *tree) put(at *node, key string, child *node) {
	if len(at.keys) == maxKeys {
		t.crowded = true
		t.problems.add(child.line, "", fmt.Sprintf("the table has more than %d keys", maxKeys), "postern config docs lists all settings")
		return
	}
	at.keys = append(at.keys, key)
	at.table[key] = child
}

func (t *tree) twice(line int, path string, first int) {
	t.problems.add(line, path, fmt.Sprintf("stands twice in the file, first in line %d", first), "remove one of the two")
}

// assign follows `a.b = value`.
func (t *tree) assign(at *node, path string, e *unstable.Node) {
	names, line := t.names(e)
	if len(names) == 0 {
		return
	}
	for _, name := range names[:len(names)-1] {
		path = join(path, name)
		there := at.table[name]
		if there == nil {
			there = newTable(line)
			there.inline = true
			t.put(at, name, there)
		}
		if there.kind != aTable {
			t.twice(line, path, there.line)
			return
		}
		at = there
	}
	name := names[len(names)-1]
	path = join(path, name)
	if there := at.table[name]; there != nil {
		t.twice(line, path, there.line)
		return
	}
	t.put(at, name, t.value(e.Value(), path, line))
}

func (t *tree) value(v *unstable.Node, path string, line int) *node {
	if v.Raw.Length > 0 {
		line = t.line(v.Raw)
	}
	n := &node{line: line, text: string(v.Data)}
	switch v.Kind {
	case unstable.String:
		n.kind = aText
	case unstable.Bool:
		n.kind = aBool
	case unstable.Integer:
		n.kind = anInt
	case unstable.DateTime:
		n.kind = aTime
	case unstable.Array:
		n.kind = aList
		for it := v.Children(); it.Next(); {
			n.items = append(n.items, t.value(it.Node(), fmt.Sprintf("%s[%d]", path, len(n.items)), line))
		}
	case unstable.InlineTable:
		n = newTable(line)
		n.inline = true
		for it := v.Children(); it.Next(); {
			t.assign(n, path, it.Node())
		}
	default:
		n.kind = other
	}
	return n
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
