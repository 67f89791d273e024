package store_test

import (
	"testing"

	"github.com/posternauth/postern/store"
)

type plainWrapper struct{ store.Store }

type openWrapper struct{ store.Store }

func (w openWrapper) Unwrap() store.Store { return w.Store }

type statedStore struct {
	store.Store
	one bool
}

func (s statedStore) OnePart() bool { return s.one }

func TestWritesTwoParts(t *testing.T) {
	memory := &store.Memory{}
	one, two := statedStore{memory, true}, statedStore{memory, false}
	for name, c := range map[string]struct {
		s    store.Store
		want bool
	}{
		"nil":                       {nil, false},
		"a wrapper of nil":          {openWrapper{}, false},
		"Memory":                    {memory, true},
		"states one":                {one, false},
		"states several":            {two, true},
		"below a wrapper":           {openWrapper{one}, false},
		"below two wrappers":        {openWrapper{openWrapper{one}}, false},
		"several, below a wrapper":  {openWrapper{two}, true},
		"the outermost counts":      {statedStore{openWrapper{one}, false}, true},
		"a wrapper that hides it":   {plainWrapper{one}, true},
		"Memory, below two of them": {openWrapper{openWrapper{memory}}, true},
	} {
		if got := store.WritesTwoParts(c.s); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
