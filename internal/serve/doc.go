// Package serve builds the whole auth server from a configuration file: `postern serve` and the function of
// cmd/postern-lambda are this package and the parts that they bring.
//
// Parse reads the file and checks it, without a network. Open builds the House of it: the store, the keys, the
// sessions, the users, the ways to sign in, the pages and the mails behind one http.Handler.
//
// The package links no database and no SDK. Parts opens what the configuration names.
package serve
