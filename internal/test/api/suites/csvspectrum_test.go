package suites_test

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/rowio"
)

// spectrumCases is how many cases csv-spectrum 2.0.0 has.
const spectrumCases = 12

// spectrumErrata are cells whose value in the JSON of a case is not what its CSV
// says, even to the eye.
var spectrumErrata = map[string]struct{ column, json, csv string }{
	"location_coordinates": {"Contact Phone Number", "1234567890", "2095257564"},
}

// TestCSVSpectrum reads every case of https://github.com/maxogden/csv-spectrum with
// the CSV reader, and then imports it over HTTP.
//
// A case has columns of its own, which become custom fields by a change of the
// header alone, and none of the two that a row needs. So each record gets a cell
// with an id in front; what follows is byte by byte what the case has.
func TestCSVSpectrum(t *testing.T) {
	dir := need(t, envCSVSpectrum)
	files, err := filepath.Glob(filepath.Join(dir, "csvs", "*.csv"))
	require.NoError(t, err)
	require.Len(t, files, spectrumCases, "rule: no case is left out")
	records := 0
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".csv")
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			want := spectrumRecords(t, filepath.Join(dir, "json", name+".json"))
			if erratum, ok := spectrumErrata[name]; ok {
				require.Contains(t, string(text), erratum.csv)
				require.NotContains(t, string(text), erratum.json)
				require.Equal(t, erratum.json, want[0][erratum.column], "the erratum is mended: remove it here")
				want[0][erratum.column] = erratum.csv
			}
			records += len(want)
			for _, record := range want {
				for column, cell := range record {
					if cell == "" {
						delete(record, column) // rule: an empty cell is an absent field
					}
				}
			}

			lines := recordLines(t, string(text))
			require.Len(t, lines, len(want))
			body := withIDs(customFieldsHeader(t, string(text)), lines)
			readSpectrum(t, strings.NewReader(body), lines, want)
			readSpectrum(t, iotest.OneByteReader(strings.NewReader(body)), lines, want)
			importSpectrum(t, body, lines, want)
		})
	}
	t.Logf("%d cases, %d records", len(files), records)
}

// spectrumRecords reads the records that a case expects: an array of objects, or
// one object.
func spectrumRecords(t *testing.T, file string) []map[string]any {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	if text[0] == '{' {
		text = slices.Concat([]byte("["), text, []byte("]"))
	}
	var records []map[string]any
	require.NoError(t, json.Unmarshal(text, &records))
	require.NotEmpty(t, records)
	return records
}

// customFieldsHeader returns the text with its columns as custom fields. No header
// of the cases has quotes.
func customFieldsHeader(t *testing.T, text string) string {
	t.Helper()
	header, rest, found := strings.Cut(text, "\n")
	require.True(t, found)
	require.NotContains(t, header, `"`)
	return "customFields." + strings.ReplaceAll(header, ",", ",customFields.") + "\n" + rest
}

// recordLines returns the lines that the records of a case start on, as package
// encoding/csv finds them.
func recordLines(t *testing.T, text string) (lines []int) {
	t.Helper()
	reader := csv.NewReader(strings.NewReader(text))
	reader.LazyQuotes = true // a case has quotes inside of a cell that has none around it
	_, err := reader.Read()  // the header
	require.NoError(t, err)
	for {
		_, err := reader.Read()
		if err == io.EOF {
			return lines
		}
		require.NoError(t, err)
		line, _ := reader.FieldPos(0)
		lines = append(lines, line)
	}
}

// withIDs returns the text with a column userId in front. Its records start on
// these lines.
func withIDs(text string, lines []int) string {
	var body strings.Builder
	line := 0
	for part := range strings.Lines(text) {
		line++
		if line == 1 {
			body.WriteString("userId,")
		} else if i := slices.Index(lines, line); i >= 0 {
			body.WriteString(spectrumID(i) + ",")
		}
		body.WriteString(part)
	}
	return body.String()
}

// spectrumID is the id that a record gets.
func spectrumID(record int) string { return fmt.Sprintf("u%d", record) }

// readSpectrum checks that the reader reads these records, which start on these
// lines.
func readSpectrum(t *testing.T, text io.Reader, lines []int, want []map[string]any) {
	t.Helper()
	reader := rowio.NewCSV(text)
	for i := 0; ; i++ {
		row, err := reader.Next()
		if err == io.EOF {
			require.Len(t, want, i)
			return
		}
		require.NoError(t, err)
		require.Empty(t, row.Errors)
		require.Less(t, i, len(want))
		var got map[string]any
		require.NoError(t, json.Unmarshal(row.JSON, &got))
		assert.Equal(t, map[string]any{"userId": spectrumID(i), "customFields": want[i]}, got, "record %d", i)
		assert.Equal(t, lines[i], row.Line, "record %d", i)
	}
}

// importSpectrum imports the text and checks what is stored then.
func importSpectrum(t *testing.T, body string, lines []int, want []map[string]any) {
	t.Helper()
	w := newWorld(t)
	a := w.post("text/csv", body, false)
	require.Equal(t, http.StatusOK, a.status, "%s", a.body)
	require.Len(t, a.Data.Results, len(want))
	refs := make([]bulk.Ref, len(want))
	for i := range refs {
		refs[i].ID = spectrumID(i)
	}
	for i, found := range w.lookup(refs) {
		result := a.Data.Results[i]
		assert.Equal(t, bulk.StatusCreated, result.Status)
		assert.Equal(t, lines[i], result.Line)
		require.NotNil(t, found.ByID, "record %d", i)
		assert.Equal(t, want[i], decoded(t, found.ByID.CustomFields), "record %d", i)
	}
}
