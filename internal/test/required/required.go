// Package required is for tests that need a server, or data, that an environment
// variable names: go run ./internal/cmd/testservers sets them.
package required

import (
	"fmt"
	"os"
	"testing"
)

// Env makes what is missing a failure of the test if it is "1".
const Env = "BULKOPS_REQUIRE_BACKENDS"

// Variable returns the value of an environment variable that names what the test needs,
// such as "a server". Without it the test is skipped, or fails.
func Variable(tb testing.TB, variable, what string) string {
	tb.Helper()
	value := os.Getenv(variable)
	if value != "" {
		return value
	}
	reason := fmt.Sprintf("needs %s: %s is not set (go run ./internal/cmd/testservers -- go test ... sets it)", what, variable)
	if os.Getenv(Env) == "1" {
		tb.Fatal(reason)
	}
	tb.Skip(reason)
	return ""
}
