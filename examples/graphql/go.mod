module github.com/posternauth/postern/examples/graphql

go 1.26.0

require (
	github.com/graphql-go/graphql v0.8.1
	github.com/posternauth/postern v0.0.0
)

replace github.com/posternauth/postern => ../..
