package common8_test

import (
	"fmt"
	"testing"

	"github.com/posternauth/postern/password/common8"
	"github.com/posternauth/postern/password/policy"
	"github.com/posternauth/postern/password/wordlist"
)

// TestP4_Common8: the passwords that people choose at eight characters are in the list.
func TestP4_Common8(t *testing.T) {
	l, err := common8.List()
	if err != nil {
		t.Fatal(err)
	}
	if l.Len() != 474_766 || l.Least() != 8 {
		t.Errorf("%d words of %d characters and more", l.Len(), l.Least())
	}
	for _, word := range []string{"password", "12345678", "Password1", "QWERTYUI", "iloveyou", "trustno1", "baseball", "football1", "starwars", "1qaz2wsx", "correct horse battery staple"} {
		if !l.Contains(word) {
			t.Errorf("%s is not in the list", word)
		}
	}
	for _, word := range []string{"kzpw8q2m", "wolke sieben am fluss", "g7#mQx!2rB"} {
		if l.Contains(word) {
			t.Errorf("%s is in the list", word)
		}
	}
}

// A policy for passwords that never suffice alone.
func ExampleList() {
	list, err := common8.List()
	if err != nil {
		fmt.Println(err)
		return
	}
	rules, err := policy.New(policy.Config{MinLength: policy.LengthWithFactor, Lists: []*wordlist.List{list}})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(rules.Check("Trustno1"))
	fmt.Println(rules.Check("kzpw8q2m"))
	// Output:
	// Many people use this password, so it is tried first. Choose another one.
	// <nil>
}
