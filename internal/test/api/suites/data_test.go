package suites_test

import (
	"testing"

	"github.com/bulkops/bulkops/internal/test/required"
)

// The environment variables that name the folders of the data.
const (
	envNaughty     = "BULKOPS_TEST_NAUGHTY"
	envCSVSpectrum = "BULKOPS_TEST_CSV_SPECTRUM"
)

// need returns the folder that an environment variable names, or ends the test.
func need(tb testing.TB, variable string) string {
	tb.Helper()
	return required.Variable(tb, variable, "test data")
}
