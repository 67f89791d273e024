package store

// Remembered is how many items and counters m holds, and panics if its parts disagree.
func Remembered(m *Memory) int {
	mortal, all := 0, len(m.counters)
	for _, p := range m.parts {
		if len(p.items) == 0 {
			panic("an empty part was kept")
		}
		all += len(p.items)
		for _, e := range p.items {
			if e.place >= 0 {
				mortal++
			}
		}
	}
	for _, e := range m.counters {
		if e.place >= 0 {
			mortal++
		}
	}
	if mortal != len(m.dying) {
		panic("the heap and the maps disagree")
	}
	for i, e := range m.dying {
		if e.place != i {
			panic("an entry does not know its place")
		}
	}
	return all
}
