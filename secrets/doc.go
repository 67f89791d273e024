// Package secrets reads the named secrets and parameters of an application and a stage, such as the client secret of a
// provider.
//
//	source, err := ssmsecrets.New(ssmsecrets.Config{Client: client})
//	s, err := secrets.Open(secrets.Config{App: "shop", Stage: "prod", Sources: []secrets.Source{source}})
//	id, err := s.Get(ctx, "GOOGLE_CLIENT_ID")
//
// A value is fetched once and kept. A source that fails is an error, and never looks like a value that is missing: a
// program does not go on with a default because a service was busy for a moment.
//
// A stage that has no value uses that of the fallback stage, which previews of branches share, unless the stage is
// protected. A missing value is an [ErrMissing], whose text has the command that sets it in the last source, or the
// variable if that is the environment.
//
// [Environment] reads variables, files and the credentials of systemd. [Sealed] keeps values in one sealed document,
// such as a file on the machine of a developer. Package ssmsecrets reads the SSM Parameter Store, and package smsecrets
// AWS Secrets Manager. The command `postern secrets` sets values.
package secrets
