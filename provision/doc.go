// Package provision gives people roles when another service reports something about them: a shop that somebody paid,
// a billing service that a subscription began.
//
//	hook, err := provision.Webhook(provision.WebhookConfig{
//		Name:    "stripe",
//		Scheme:  provision.Stripe(),
//		Secrets: []string{secret},
//		Store:   store,
//		Users:   users,                      // Auth0, the directory, or a table of the application
//		Roles:   []string{"course"},         // all that this webhook can give
//		Parse:   parse,                      // reads the address and the roles from an event
//	})
//	mux.Handle("POST /hooks/stripe", hook)
//
// Webhook verifies the sender over the raw body, refuses old deliveries, and applies each delivery once. What it
// answers is what the sender needs to know: 2xx is done, 4xx is refused for good, 503 can be sent again.
//
// An address in a delivery proves nothing about the person who has a session: anybody can pay for a course with the
// address of somebody else, and anybody can have signed up elsewhere with an address that is not theirs. So the roles
// go to the user who proved the address. If there is none yet, they are kept in a [Pending] until somebody proves it.
package provision
