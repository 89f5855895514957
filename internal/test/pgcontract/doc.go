// Package pgcontract runs the HTTP contract on Postgres. It is a module of its own,
// since neither the tests of the contract nor the modules for Postgres should need each
// other.
package pgcontract
