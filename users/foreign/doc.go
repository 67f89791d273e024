// Package foreign reads the users that other systems export: Auth0, Amazon Cognito, Firebase Authentication, Supabase,
// Clerk, better-auth and Keycloak, in the formats that these systems document, and another Postern.
//
//	for record, err := range foreign.Read(ctx, foreign.Firebase, file, foreign.Options{Firebase: parameters}) {
//		if bad := (*foreign.RecordError)(nil); errors.As(err, &bad) {
//			report(bad) // this record alone
//			continue
//		} else if err != nil {
//			return err // the rest cannot be read
//		}
//		…
//	}
//
// The reader keeps one record in memory, so a file can be of any size. A record that cannot be read is reported with
// its number and line, and the next one follows.
//
// What a system says about a user is carried over as it says it: an address is verified if that system recorded it as
// verified. Whatever has no place in a [Record] is listed in its Notes, so that a report can show what is lost.
// Passwords become strings that package password/hash verifies.
package foreign
