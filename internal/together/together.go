// Package together lets a provider write the mark of a used attempt in one Write with what it keeps of the attempt
// itself, so that both are used or neither is.
package together

import (
	"context"

	"github.com/posternauth/postern/store"
)

type key struct{}

// A Writer writes the change that marks an attempt as used, with others. It returns store.ErrConflict, as the store
// does, if the attempt is marked already.
type Writer func(ctx context.Context, mark store.Change) error

// With returns the context of a request whose attempt is marked by w. It is for one call of Flow.Resume.
func With(ctx context.Context, w Writer) context.Context { return context.WithValue(ctx, key{}, w) }

// Write writes the mark: by the Writer in ctx, or else to s.
func Write(ctx context.Context, s store.Store, mark store.Change) error {
	if w, ok := ctx.Value(key{}).(Writer); ok {
		return w(ctx, mark)
	}
	return s.Write(ctx, mark)
}
