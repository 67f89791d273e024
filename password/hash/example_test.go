package hash_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"

	"github.com/posternauth/postern/password/hash"
)

// A sign-in on an application's own table.
func Example() {
	hasher, err := hash.New(hash.Config{MemoryMiB: 256, Parallel: 2})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	encoded, err := hasher.Hash(ctx, "wolke sieben am fluss")
	if err != nil {
		fmt.Println(err)
		return
	}
	table := map[string]string{"ada@example.com": encoded}

	signIn := func(address, password string) (bool, error) {
		stored, known := table[address]
		if !known {
			return false, hasher.VerifyNone(ctx, address, password)
		}
		result, err := hasher.Verify(ctx, stored, password)
		if err == nil && result.Rehash {
			if again, err := hasher.Hash(ctx, password); err == nil {
				table[address] = again
			}
		}
		return result.OK, err
	}
	fmt.Println(signIn("ada@example.com", "wolke sieben am fluss"))
	fmt.Println(signIn("ada@example.com", "Wolke sieben am fluss"))
	fmt.Println(signIn("bob@example.com", "wolke sieben am fluss"))
	// Output:
	// true <nil>
	// false <nil>
	// false <nil>
}

// A hash of the system before: it verifies at once, and asks to be replaced at the first sign-in.
func ExampleImportFirebase() {
	encoded, err := hash.ImportFirebase(hash.Firebase{
		PasswordHash: "lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ==",
		Salt:         "42xEC+ixf3L2lw==",

		SignerKey:     "jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==",
		SaltSeparator: "Bw==",
		Rounds:        8,
		MemCost:       14,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	hasher, err := hash.New(hash.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	result, err := hasher.Verify(context.Background(), encoded, "user1password")
	fmt.Println(result.OK, result.Rehash, err)
	// Output: true true <nil>
}

// A handler names the network of each call, and answers 503 when too many passwords wait.
func ExampleWithShare() {
	hasher, err := hash.New(hash.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := hash.WithShare(r.Context(), r.RemoteAddr)
		err := hasher.VerifyNone(ctx, r.FormValue("user"), r.FormValue("password"))
		var busy *hash.BusyError
		if errors.As(err, &busy) {
			w.Header().Set("Retry-After", strconv.Itoa(int(busy.RetryAfter.Seconds())))
			http.Error(w, "too many sign-ins at the moment", http.StatusServiceUnavailable)
			return
		}
		http.Error(w, "wrong user name or password", http.StatusUnauthorized)
	})
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest("POST", "/login?user=ada&password=wrong", nil))
	fmt.Println(w.Code)
	// Output: 401
}
