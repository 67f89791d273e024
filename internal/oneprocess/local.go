// Package oneprocess marks a context in which the memory of a process is not shared between requests, as on Lambda.
//
// The adapter of a platform knows that the next request may reach another process; a store or a vault of keys knows
// that it keeps its data in memory. The adapter marks the context of the request, and the store or vault checks the
// mark.
package oneprocess

import "context"

type key struct{}

// Refuse returns a context in which a store or a ring of keys that belongs to one process refuses to work.
func Refuse(ctx context.Context) context.Context { return context.WithValue(ctx, key{}, true) }

// Refused reports whether ctx comes from Refuse.
func Refused(ctx context.Context) bool {
	refused, _ := ctx.Value(key{}).(bool)
	return refused
}
