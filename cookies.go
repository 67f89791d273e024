package postern

import (
	"cmp"
	"maps"
	"net/http"
	"slices"
)

// Attempts and tickets are kept in cookies of short life, one for each. Both kinds have bounds, so that the cookies of
// the session, and the headers of a request, always have room.

const maxExpired = 200 // cookies that one answer removes: more than browsers keep for a site

// kept is a cookie of such a kind.
type kept struct {
	name    string
	bytes   int
	created int64        // Unix milliseconds; 0: it only looks like one
	gone    *http.Cookie // removes it
}

// makeRoom removes the oldest cookies, and what only looks like one, until another of size bytes fits: most cookies of
// mostBytes in all.
func makeRoom(w http.ResponseWriter, cookies []kept, size, most, mostBytes int) {
	byName := map[string]kept{}
	for _, one := range cookies {
		// Of several cookies of a name the real one counts: removing the others would remove it.
		if other, ok := byName[one.name]; !ok || one.created > other.created {
			byName[one.name] = one
		}
	}
	all := slices.SortedFunc(maps.Values(byName), func(a, b kept) int { return cmp.Compare(a.created, b.created) })
	for _, k := range all {
		size += k.bytes
	}
	for i, k := range all {
		if len(all)-i < most && size <= mostBytes && k.created != 0 || i == maxExpired {
			return
		}
		http.SetCookie(w, k.gone)
		size -= k.bytes
	}
}
