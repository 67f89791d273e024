package wordlist

// writer appends numbers in Golomb-Rice code: the number divided by 2^spacing as so many ones and a zero, and then the
// remainder.
type writer struct {
	data []byte
	bit  int
}

func (w *writer) put(v uint64) {
	for range v >> spacing {
		w.add(1)
	}
	w.add(0)
	for i := spacing - 1; i >= 0; i-- {
		w.add(byte(v >> i & 1))
	}
}

func (w *writer) add(b byte) {
	if w.bit%8 == 0 {
		w.data = append(w.data, 0)
	}
	w.data[w.bit/8] |= b << (7 - w.bit%8)
	w.bit++
}

// reader reads what writer wrote.
type reader struct {
	data string
	bit  int
}

// next returns a number, and false at the end of the data. No number is zero: differences of sorted values are not, so
// that the zero bits after the last number are not one.
func (r *reader) next() (uint64, bool) {
	v := uint64(0)
	for {
		b, ok := r.get()
		if !ok {
			return 0, false
		}
		if b == 0 {
			break
		}
		v++
	}
	for range spacing {
		b, ok := r.get()
		if !ok {
			return 0, false
		}
		v = v<<1 | uint64(b)
	}
	return v, true
}

func (r *reader) get() (byte, bool) {
	if r.bit >= 8*len(r.data) {
		return 0, false
	}
	b := r.data[r.bit/8] >> (7 - r.bit%8) & 1
	r.bit++
	return b, true
}
