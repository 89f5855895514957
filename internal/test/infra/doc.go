// Package infra has the tests of the templates in docs/infra: both are evaluated as
// CloudFormation and Terraform would, with nothing created, and what comes out is
// compared with the code that is to run on it, and with each other.
//
// It is a module of its own, so that the library does not depend on parsers of the
// templates' languages.
package infra
