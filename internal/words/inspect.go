package words

import (
	"slices"
	"strings"
)

// Inspect reads a template. values are the names of the values that it uses, also in branches, sorted and each once.
// plurals are the names of the branches of each plural, such as "one" and "other", sorted. The error says what cannot
// be read.
func Inspect(template string) (values []string, plurals [][]string, err error) {
	if _, err := Names(template); err != nil {
		return nil, nil, err
	}
	for template != "" {
		at := strings.IndexByte(template, '{')
		if at < 0 {
			break
		}
		end := closing(template[at:])
		inside := template[at+1 : at+end]
		template = template[at+end+1:]
		name, style, _ := strings.Cut(inside, ",")
		values = append(values, strings.TrimSpace(name))
		branches, plural := strings.CutPrefix(strings.TrimSpace(style), "plural,")
		if !plural {
			continue
		}
		parsed, err := parseBranches(branches)
		if err != nil {
			return nil, nil, err
		}
		var names []string
		for branch, text := range parsed {
			names = append(names, branch)
			more, inner, err := Inspect(text)
			if err != nil {
				return nil, nil, err
			}
			values, plurals = append(values, more...), append(plurals, inner...)
		}
		slices.Sort(names)
		plurals = append(plurals, names)
	}
	slices.Sort(values)
	return slices.Compact(values), plurals, nil
}
