package openapitest_test

import (
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/bulkops/bulkops/internal/test/api/openapitest"
	recorded "github.com/bulkops/bulkops/internal/test/exchange"
)

// TestExchangesOfTheHandler runs the tests of package httpapi, which cannot import
// this package, and holds what they exchange to the document.
func TestExchangesOfTheHandler(t *testing.T) {
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "go", "test", "-count=1", "github.com/bulkops/bulkops/httpapi")
	cmd.Dir = "../../../.." // the module of the package
	cmd.Env = append(os.Environ(), recorded.Folder+"="+dir)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)

	all, err := recorded.Read(dir)
	require.NoError(t, err)
	tests := map[string]bool{}
	for _, e := range all {
		openapitest.CheckExchange(t, e)
		tests[e.Test] = true
	}
	require.Greater(t, len(tests), 50, "rule: nearly all tests of the handler are checked; they had %d exchanges", len(all))
	t.Logf("%d exchanges of %d tests", len(all), len(tests))
}
