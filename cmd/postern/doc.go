// Command postern is the binary of the library: a place to try signing in, and the tools around keys and tokens.
//
//	postern dev                    sign in on this machine: auth handler, local provider, inbox, demo page
//	postern serve                  the auth server of a configuration file, for programs in any language
//	postern keys rotate|list|jwks     the signing keys of a data folder
//	postern keys revoke KID        end a key at once
//	postern token inspect TOKEN    what a token says, with every time in words; proves nothing
//	postern token verify TOKEN     whether a token is genuine and valid
//	postern sessions list|show     the sessions that are kept in a store
//	postern sessions revoke        end sessions
//	postern users list|show        the users that are kept in a store
//	postern users add|invite       new users
//	postern users roles|disable    change users; enable, delete
//	postern users import|export    users of other systems, and users as lines of JSON
//	postern passwords build LIST   the file of a list of common passwords
//	postern audit verify FILE…     whether records of an audit log were changed or removed
//	postern doctor                 look for mistakes in a deployment
//	postern migrate                make or upgrade the tables of a store, or print the SQL
//	postern lambda BOOTSTRAP       run a Lambda function on this machine, behind what would be API Gateway
//	postern help [COMMAND]         what a command does, like --help after it
//	postern version                the version
//	postern completion SHELL       a script that completes commands and flags, for bash, zsh or fish
//
// Exit status: 0 all is well, 1 the command failed or a token is not valid,
// 2 the command line or the configuration is wrong.
package main
