package ui

import (
	"maps"
	"slices"
)

func sorted[T any](m map[string]T) []string { return slices.Sorted(maps.Keys(m)) }

func merged(base, more map[string]string) map[string]string {
	all := maps.Clone(base)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, more)
	return all
}
