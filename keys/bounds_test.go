package keys_test

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/posternauth/postern/keys"
)

// TestJ15_KeySetBounds: what is too long is refused before it is read, and what is just not too long is read.
func TestJ15_KeySetBounds(t *testing.T) {
	const key = `{"kty":"OKP","crv":"Ed25519","x":"` + edX + `","kid":"k"%s}`
	const set = `{"keys":[` + key + `]%s}`
	one := func(data []byte) error { _, err := keys.ParseJWK(data); return err }
	all := func(data []byte) error { _, err := keys.ParseJWKS(data); return err }
	fill := func(format string, size int, before ...any) []byte {
		empty := len(fmt.Sprintf(format, append(before, `,"z":""`)...))
		return fmt.Appendf(nil, format, append(before, `,"z":"`+strings.Repeat("z", size-empty)+`"`)...)
	}
	for _, tt := range []struct {
		name  string
		parse func([]byte) error
		data  []byte
		ok    bool
	}{
		{"a key of 16 KiB", one, fill(key, 16<<10), true},
		{"a key of 16 KiB and a byte", one, fill(key, 16<<10+1), false},
		{"a key of 8 MiB", one, fill(key, 8<<20), false},
		{"a set of 512 KiB", all, fill(set, 512<<10, ""), true},
		{"a set of 512 KiB and a byte", all, fill(set, 512<<10+1, ""), false},
		{"a set of 8 MiB", all, fill(set, 8<<20, ""), false},
		{"a set of 8 MiB of names", all, []byte(`{"keys":[{` + strings.Repeat(`"a":1,`, 8<<20/6) + `}]}`), false},
		{"a key with 32 operations", one, fmt.Appendf(nil, key, operations(32)), true},
		{"a key with 33 operations", one, fmt.Appendf(nil, key, operations(33)), false},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := tt.parse(tt.data)
		runtime.ReadMemStats(&after)
		if (err == nil) != tt.ok || !tt.ok && !errors.Is(err, keys.ErrWeakKey) {
			t.Errorf("%s: %v", tt.name, err)
		}
		if took := after.TotalAlloc - before.TotalAlloc; len(tt.data) > 1<<20 && took > 64<<10 {
			t.Errorf("%s: took %d bytes", tt.name, took)
		}
	}
}

// operations is a key_ops of n values, verify among them.
func operations(n int) string {
	list := `"verify"`
	for i := range n - 1 {
		list += fmt.Sprintf(`,"op%d"`, i)
	}
	return `,"key_ops":[` + list + `]`
}
