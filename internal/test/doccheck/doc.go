// Package doccheck has the tests that keep the documentation true: the code and
// the commands of README.md and docs, the names they use, and what they say of
// the packages' dependencies.
package doccheck
