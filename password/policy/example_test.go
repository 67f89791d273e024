package policy_test

import (
	"errors"
	"fmt"

	"github.com/posternauth/postern/password/policy"
)

func Example() {
	rules, err := policy.New(policy.Config{Names: []string{"Example Shop"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, password := range []string{"hunter2", "123456789987654321", "ExampleShop2026", "wolke sieben am fluss"} {
		err := rules.Check(password, "ada@example.com")
		var refused *policy.Error
		if errors.As(err, &refused) {
			fmt.Println(refused.Code, "-", refused)
			continue
		}
		fmt.Println("accepted")
	}
	// Output:
	// too_short - A password needs at least 15 characters. A few words in a row are easy to remember.
	// common - Many people use this password, so it is tried first. Choose another one.
	// contains_name - This password is a name that others can guess. Choose another one.
	// accepted
}
