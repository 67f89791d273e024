package main

import (
	"context"
	"log"
	"os"
	"strings"
)

// Example connects without a token and with one, and says two things.
func Example() {
	if err := run(context.Background(), strings.NewReader("hello\n{\"action\":\"shout\"}\n"), os.Stdout); err != nil {
		log.Fatal(err)
	}
	// Output:
	// connect: 401 Unauthorized
	// connect: 101 Switching Protocols
	// Ada: hello
	// Ada: {"action":"shout"}
}
