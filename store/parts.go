package store

// A OnePart is a Store that reports whether each of its Writes must stay within one Part (see [Key]). The store of a
// Redis Cluster is one. An engine without this method writes to several Parts.
type OnePart interface {
	OnePart() bool
}

// WritesTwoParts reports whether one Write of s may change items of several Parts. It returns false for a nil store.
//
// A wrapper around another store needs one of two methods: OnePart, or Unwrap() Store, which returns the store inside.
// WritesTwoParts asks the outermost store that has OnePart. A wrapper of a Redis Cluster with neither method counts as
// a store that writes to several Parts, and its Writes then fail with [ErrInvalid].
func WritesTwoParts(s Store) bool {
	for s != nil {
		if one, ok := s.(OnePart); ok {
			return !one.OnePart()
		}
		wrapper, ok := s.(interface{ Unwrap() Store })
		if !ok {
			return true
		}
		s = wrapper.Unwrap()
	}
	return false
}
