package rowio_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/rowio"
)

// stepCases are bodies that repeat what may cost more than it is long.
var stepCases = []struct{ name, format, before, part string }{
	{"rows", "csv", "userId,email\n", "u,\"a\"\"b\"\n"},
	{"empty records", "csv", "userId,email\n", ",\n"},
	{"empty records before the header", "csv", "", ",\n"},
	{"quotes before the header", "csv", "", "\",;\t|\n\""},
	{"columns", "csv", "userId,", "_line,"},
	{"one column", "csv", "userId,", "x "},
	{"cells", "csv", "userId\n", "x,"},
	{"quotes", "csv", "userId\n\"", "\"\""},
	{"apostrophes", "csv", "_index,userId\n,", "';="},
	{"blanks before formulas", "csv", "_index,userId\n,'", " "},
	{"wrong cells", "csv", "userId,metadata.a:number\n", "u,x\n"},
	{"whole objects", "csv", "userId,metadata:json\nu,\"{", "\"\"a\"\":1,"},
	{"lines", "ndjson", "", "{\"a\":[1]}\n"},
	{"blank lines", "ndjson", "", " \r\n"},
	{"brackets in a line", "ndjson", "[", "[],"},
	{"rows of JSON", "json", `{"users":[`, `{"a":[[[]]]},`},
	{"unknown keys", "json", `{`, `"a":1,`},
	{"a string", "json", `{"users":["`, `\"`},
	{"a table of names", "table", `{"userId":"u","customFields":{"z":1`, `,"a":1`},
	{"a table of separators", "table", `{"userId":"`, `;'=\t`},
	{"a table of line ends", "table", `{"userId":"`, `\n`},
	{"a table of blanks", "table", `{"userId":"`, `\u00a0`},
	{"a table of JSON", "table", `{"userId":"u","metadata":["`, `;|`},
}

// stepVariable says to a process which case it is to read, and how often repeated.
const stepVariable = "ROWIO_STEPS"

// The statements that are executed grow with a body as its length does. They are
// counted by coverage, in processes of their own.
func TestSteps(t *testing.T) {
	if value := os.Getenv(stepVariable); value != "" {
		readSteps(t, value)
		return
	}
	dir := t.TempDir()
	binary := filepath.Join(dir, "steps.test")
	const counted = "github.com/bulkops/bulkops/internal/"
	build := exec.Command("go", "test", "-c", "-covermode=count", "-coverpkg="+counted+"rowio,"+counted+"rowtext,"+counted+"canon", "-o", binary, ".")
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	for i, c := range stepCases {
		var steps [2]float64
		n := 64 << 10 / len(c.part)
		for k := range steps {
			profile := filepath.Join(dir, "profile")
			cmd := exec.Command(binary, "-test.run=^TestSteps$", "-test.coverprofile="+profile)
			cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d %d", stepVariable, i, n<<k))
			out, err := cmd.CombinedOutput()
			require.NoError(t, err, "%s", out)
			steps[k] = executed(t, profile)
		}
		perByte := (steps[1] - steps[0]) / float64(n*len(c.part))
		t.Logf("%-6s %-32s %5.1f statements a byte", c.format, c.name, perByte)
		most := 100.0
		if c.name == "blank lines" {
			most = 3 // they are passed over in the buffer, and are no lines to the decoder
		}
		assert.LessOrEqual(t, perByte, most, "%s: %s", c.format, c.name)
		assert.LessOrEqual(t, steps[1], 2.2*steps[0]+1000, "%s: %s: rule: cost grows as the body does", c.format, c.name)
	}
}

// readSteps reads the body that value names.
func readSteps(t *testing.T, value string) {
	var i, n int
	_, err := fmt.Sscan(value, &i, &n)
	require.NoError(t, err)
	c := stepCases[i]
	body := c.before + strings.Repeat(c.part, n)
	if c.format != "table" {
		costOf(c.format, strings.NewReader(body))
		return
	}
	body += `"}`
	if strings.Contains(c.before, "customFields") {
		body = strings.TrimSuffix(body, `"}`) + "}}"
	} else if strings.Contains(c.before, "metadata") {
		body = strings.TrimSuffix(body, "}") + "]}"
	}
	var table rowio.Table
	table.Add([]byte(body))
	_ = table.AppendRecord(table.AppendHeader(nil), []byte(body), bulk.RowResult{})
}

// executed returns how many statements were executed, by a profile of coverage.
func executed(t *testing.T, profile string) (sum float64) {
	t.Helper()
	file, err := os.Open(profile)
	require.NoError(t, err)
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		fields := strings.Fields(lines.Text()) // place, statements, count
		if len(fields) != 3 {
			continue
		}
		statements, err := strconv.ParseFloat(fields[1], 64)
		require.NoError(t, err)
		count, err := strconv.ParseFloat(fields[2], 64)
		require.NoError(t, err)
		sum += statements * count
	}
	require.Positive(t, sum)
	return sum
}
