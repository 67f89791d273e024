package store

import (
	"container/heap"
	"time"
)

// expiryHeap orders entries by the moment they expire. Each knows its place, so that a new expiry moves it instead of
// leaving a stale twin behind: a session is written many times before it ends.
type expiryHeap []*entry

// set gives e a new expiry; the zero time takes it out of the heap.
func (h *expiryHeap) set(e *entry, t time.Time) {
	if t.IsZero() {
		e.expires = never
		if e.place >= 0 {
			heap.Remove(h, e.place)
		}
		return
	}
	e.expires = t.UnixMilli()
	if e.place < 0 {
		heap.Push(h, e)
		return
	}
	heap.Fix(h, e.place)
}

func (h expiryHeap) Len() int           { return len(h) }
func (h expiryHeap) Less(i, j int) bool { return h[i].expires < h[j].expires }

func (h expiryHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].place, h[j].place = i, j
}

func (h *expiryHeap) Push(x any) {
	e := x.(*entry)
	e.place = len(*h)
	*h = append(*h, e)
}

func (h *expiryHeap) Pop() any {
	last := len(*h) - 1
	e := (*h)[last]
	e.place = -1
	(*h)[last] = nil
	*h = (*h)[:last]
	return e
}
