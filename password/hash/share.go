package hash

import "context"

type shareKey struct{}
type knownKey struct{}

// WithShare returns a context for the calls of one network, such as "203.0.113.7" or "2001:db8:1:2::/64". When calls
// wait, the networks get their turns evenly, and when the queue is full, the network that has most of it gives way.
// Calls without a share have one together.
func WithShare(ctx context.Context, network string) context.Context {
	return context.WithValue(ctx, shareKey{}, network)
}

// WithKnown returns a context for calls of a browser that has signed in to this account before. They have a queue apart
// and every second turn, so that they get through while others fill the common queue. Combine it with WithShare.
func WithKnown(ctx context.Context) context.Context { return context.WithValue(ctx, knownKey{}, true) }

func shareOf(ctx context.Context) (network string, known bool) {
	network, _ = ctx.Value(shareKey{}).(string)
	return network, ctx.Value(knownKey{}) != nil
}
