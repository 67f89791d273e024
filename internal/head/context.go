package head

import "context"

// A request passes to package session what it knows about the head of the user: by the context, because sessions are
// often created by a function of the application, which knows nothing of heads.

type expectedKey struct{}

// Expect returns a context in which session creates a session, or a code for one, only if the head of the user has this
// Sec. Use it with the head that was read before the user proved who they are, so that an event in between refuses the
// session.
func Expect(ctx context.Context, sec int64) context.Context {
	return context.WithValue(ctx, expectedKey{}, sec)
}

// Expected returns the value of Expect; ok is false if there is none.
func Expected(ctx context.Context) (sec int64, ok bool) {
	sec, ok = ctx.Value(expectedKey{}).(int64)
	return sec, ok
}

type boundKey struct{}

// A bound is the value of Bind.
type bound struct {
	user string
	sec  int64
}

// Bind returns a context for a deed of a person at their own account. The person's session was checked when the head of
// the user had this Sec. A directory that keeps heads writes nothing for the user if the head has another one by then:
// a reset in between has ended the session.
func Bind(ctx context.Context, userID string, sec int64) context.Context {
	return context.WithValue(ctx, boundKey{}, bound{userID, sec})
}

// Moved reports whether Bind was called for a user with another Sec.
func Moved(ctx context.Context, userID string, sec int64) bool {
	b, ok := ctx.Value(boundKey{}).(bound)
	return ok && b.user == userID && b.sec != sec
}

type shownKey struct{}

// Shown returns a context that says which of the credentials of a user was shown, by its name in postern.Keeper, for a
// provider of which a user can have several.
func Shown(ctx context.Context, credential string) context.Context {
	return context.WithValue(ctx, shownKey{}, credential)
}

// ShownCredential returns the value of Shown, and an empty text if there is none.
func ShownCredential(ctx context.Context) string {
	name, _ := ctx.Value(shownKey{}).(string)
	return name
}

type loadedKey struct{}

// Loaded returns a context in which session creates a session whose roles were loaded after the head had these Rights.
// Read the head first and the roles second: then a change in between is found at the first refresh or CheckStore.
// Without Loaded, session takes the Rights that the head has when the session is created.
func Loaded(ctx context.Context, rights int64) context.Context {
	return context.WithValue(ctx, loadedKey{}, rights)
}

// LoadedRights returns the value of Loaded; ok is false if there is none.
func LoadedRights(ctx context.Context) (rights int64, ok bool) {
	rights, ok = ctx.Value(loadedKey{}).(int64)
	return rights, ok
}

type carriedKey struct{}

// A carried is the value of Carry.
type carried struct{ old, moved int64 }

// Carry returns a context in which session.Kind.Replace accepts a session that was minted when the head had the Sec
// old, although the head has the Sec moved now. Use it in the request that moved the head, for the session of that
// request.
func Carry(ctx context.Context, old, moved int64) context.Context {
	return context.WithValue(ctx, carriedKey{}, carried{old, moved})
}

// Carries reports whether Carry allows to replace a session with the Sec old while the head has the Sec now.
func Carries(ctx context.Context, old, now int64) bool {
	c, ok := ctx.Value(carriedKey{}).(carried)
	return ok && c.old == old && c.moved == now
}
