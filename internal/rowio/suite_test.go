package rowio_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bulkops/bulkops/bulk"
)

// accepted are the cases that JSON's standards leave to parsers ("i") and that are
// rows here. Whether their numbers fit is for package bulk. All others have text
// that is not Unicode, or nest too deep.
var accepted = map[string]bool{
	"i_number_double_huge_neg_exp.json":   true,
	"i_number_huge_exp.json":              true,
	"i_number_neg_int_huge_exp.json":      true,
	"i_number_pos_double_huge_exp.json":   true,
	"i_number_real_neg_overflow.json":     true,
	"i_number_real_pos_overflow.json":     true,
	"i_number_real_underflow.json":        true,
	"i_number_too_big_neg_int.json":       true,
	"i_number_too_big_pos_int.json":       true,
	"i_number_very_big_negative_int.json": true,
}

// TestJSONTestSuite reads the cases of https://github.com/nst/JSONTestSuite, which
// the module smithy-go brings: as a row, as a custom field, and as a body.
func TestJSONTestSuite(t *testing.T) {
	const module = "github.com/aws/smithy-go"
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", module).Output()
	if err != nil {
		t.Skipf("no %s to take the cases from: %v", module, err)
	}
	pattern := filepath.Join(strings.TrimSpace(string(dir)), "transport/http/protocol/internal/json/testdata/test_parsing/*.json")
	files, err := filepath.Glob(pattern)
	require.NoError(t, err)
	if len(files) == 0 {
		t.Skipf("no cases in %s", pattern)
	}
	for _, file := range files {
		name := filepath.Base(file)
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			good := name[0] == 'y' || accepted[name]

			for place, format := range map[string][2]string{
				"row":          {`{"users":[`, `]}`},
				"custom field": {`{"users":[{"userId":"u","customFields":{"x":`, `}}]}`},
			} {
				body := format[0] + string(text) + format[1]
				rows, err := collect(readers["json"](strings.NewReader(body)))
				switch {
				case place == "row" && len(bytes.TrimSpace(text)) == 0:
					// No row is fine here.
					require.NoError(t, err)
				case !good:
					requireRefused(t, err, bulk.CodeInvalidJSON)
				default:
					require.NoError(t, err, place)
					require.Len(t, rows, 1)
					if place == "row" {
						assert.Equal(t, string(bytes.TrimSpace(text)), string(rows[0].JSON), "rule: a row is as it was sent")
					}
				}
			}

			// As a body it may begin with a byte order mark.
			_, err = collect(readers["json"](bytes.NewReader(text)))
			if good || name == "i_structure_UTF-8_BOM_empty_object.json" {
				requireRefused(t, err, bulk.CodeInvalidRequest)
			} else {
				requireRefused(t, err, bulk.CodeInvalidJSON)
			}
		})
	}
	t.Logf("%d cases", len(files))
}
