// Package audit keeps the events of sign-ins, sessions and accounts: in the log of the program, in a file whose lines
// are chained by hashes, and at a server that gets them by a signed webhook.
//
//	file, err := audit.NewFile(audit.FileConfig{Path: "/var/lib/shop/audit.jsonl", Key: key})
//	log, err := audit.NewLog(audit.LogConfig{Logger: logger})
//	sink := audit.All(log, file)
//	defer sink.Close()
//	sessions, err := session.New(session.Config{OnEvent: sink.Event, …})
//
// The package starts no goroutine. [File.Run] and [Webhook.Run] do what a sink has to do beside events; a program calls
// each in a goroutine, and a Lambda function calls [Webhook.Deliver] on a schedule.
//
// An event has no secret: no token, code, password or key. It has personal data: addresses of clients, names of
// browsers, identifiers of people. Where it is kept, and for how long, is for you to decide.
package audit
