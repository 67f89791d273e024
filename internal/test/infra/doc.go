// Package infra reads the templates of the folder infra as AWS would: it expands those of SAM, and works out the
// functions of CloudFormation for given parameters.
package infra
