package bulk_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bulkops/bulkops/bulk"
)

// A dry run names what each updated row would change, given the rows before it.
// Requests and jobs say the same, and an import that is not dry says nothing.
func TestDryRunNamesChanges(t *testing.T) {
	before := bulk.User{ID: "a", Email: "Ann@example.com", CustomFields: fields(t, `{"team":"x","level":1}`), Metadata: fields(t, `{"source":"crm"}`)}
	wide := make([]string, 120)
	for i := range wide {
		wide[i] = fmt.Sprintf(`"f%03d":%d`, i, i)
	}
	for _, c := range []struct {
		name  string
		merge bulk.MergeMode
		rows  []string
		want  [][]string
	}{
		{"Fields", bulk.MergeKeys, []string{`{"userId":"a","customFields":{"team":"y","level":1,"new":null},"metadata":{"source":null}}`},
			[][]string{{"customFields.team", "metadata.source"}}},
		{"Email", bulk.MergeKeys, []string{`{"userId":"a","email":"ana@example.com","metadata":{"batch":7}}`}, [][]string{{"email", "metadata.batch"}}},
		{"AsWritten", bulk.MergeKeys, []string{`{"email":"ANN@example.com","customFields":{"team":"y"}}`}, [][]string{{"customFields.team"}}},
		{"Unchanged", bulk.MergeKeys, []string{`{"userId":"a","customFields":{"team":"x"}}`}, [][]string{nil}},
		{"OnTopOfEachOther", bulk.MergeKeys, []string{`{"userId":"a","customFields":{"team":"y"}}`, `{"userId":"a","customFields":{"team":"y","level":2}}`,
			`{"userId":"a","customFields":{"team":"y"}}`}, [][]string{{"customFields.team"}, {"customFields.level"}, nil}},
		{"Replaced", bulk.MergeReplace, []string{`{"userId":"a","customFields":{"team":"x"}}`}, [][]string{{"customFields.level"}}},
		{"Filled", bulk.MergeFill, []string{`{"userId":"a","customFields":{"team":"y","more":true}}`}, [][]string{{"customFields.more"}}},
		{"OfOneThatWouldBeCreated", bulk.MergeKeys, []string{`{"userId":"b"}`, `{"userId":"b","email":"bob@example.com"}`}, [][]string{nil, {"email"}}},
		{"Failed", bulk.MergeKeys, []string{`{"userId":"a","email":"none"}`}, [][]string{nil}},
	} {
		for _, mode := range []string{"Request", "Job", "Real"} {
			t.Run(c.name+"/"+mode, func(t *testing.T) {
				bubble(t, func(t *testing.T, f *fixture) {
					require.NoError(t, f.mem.Put(tenant, before))
					opts := bulk.DefaultOptions()
					opts.DryRun, opts.Merge = mode != "Real", c.merge
					want := c.want
					if mode == "Real" {
						want = make([][]string, len(c.rows))
					}
					var got [][]string
					for _, r := range f.groupedWith(t, opts, mode == "Job", c.rows...) {
						got = append(got, r.Changes)
					}
					assert.Equal(t, want, got)
				})
			})
		}
	}
	t.Run("Many", func(t *testing.T) {
		bubble(t, func(t *testing.T, f *fixture) {
			require.NoError(t, f.mem.Put(tenant, before))
			got := f.groupedWith(t, bulk.Options{Upsert: true, DryRun: true}, false, `{"userId":"a","email":"new@example.com","customFields":{`+strings.Join(wide, ",")+`}}`)[0].Changes
			require.Len(t, got, 100, "rule: the first 100 names")
			assert.Equal(t, []string{"email", "customFields.f000"}, got[:2])
		})
	})
}
