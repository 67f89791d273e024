package session

// CookieNameOf is the name of a kind's cookie.
func CookieNameOf[T any](k *Kind[T]) string { return k.cookie }
