// Package suites runs the public test data of others through the HTTP API: the
// Big List of Naughty Strings and csv-spectrum. It has tests only.
//
// The data is not part of this module. Environment variables name its folders,
// and the command internal/cmd/testservers fetches it and sets them. A test whose
// folder is not named is skipped, or fails if BULKOPS_REQUIRE_BACKENDS is 1.
package suites
