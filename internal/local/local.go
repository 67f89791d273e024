// Package local tells a store that keeps everything in one process that it is of no use here.
//
// Only the adapter of a platform knows that the next request may meet another process, and only the store knows that it
// shares nothing. The context of a request is what passes from the one to the other.
package local

import "context"

type key struct{}

// Refuse returns a context under which a store of one process refuses to work.
func Refuse(ctx context.Context) context.Context { return context.WithValue(ctx, key{}, true) }

// Refused reports whether ctx comes from Refuse.
func Refused(ctx context.Context) bool {
	refused, _ := ctx.Value(key{}).(bool)
	return refused
}
