package contracttest

import (
	"fmt"
	"math/big"
	"strings"

	"github.com/bulkops/bulkops/bulk"
)

// numberCases are numbers, and whether DynamoDB can hold them: 38 digits, 1e-130
// to 9.99e125.
var numberCases = []struct {
	name, number string
	fits         bool
}{
	{"0", "0", true},
	{"-0", "-0", true},
	{"0.0", "0.0", true},
	{"zero with a large exponent", "0e99", true},
	{"1.0", "1.0", true},
	{"1e0", "1E+0", true},
	{"0.1", "0.1", true},
	{"9007199254740993, which no float64 holds", "9007199254740993", true},
	{"-9007199254740993", "-9007199254740993", true},
	{"9007199254740993 with an exponent", "9.007199254740993e15", true},
	{"0.1 and 17 digits more", "0.100000000000000005", true},
	{"38 digits", strings.Repeat("9", 38), true},
	{"39 digits", strings.Repeat("9", 39), false},
	{"minus and 38 digits", "-" + strings.Repeat("9", 38), true},
	{"minus and 39 digits", "-" + strings.Repeat("9", 39), false},
	{"38 digits with a point", strings.Repeat("1", 20) + "." + strings.Repeat("2", 18), true},
	{"39 digits with a point", strings.Repeat("1", 20) + "." + strings.Repeat("2", 19), false},
	{"38 digits and an exponent", "1." + strings.Repeat("3", 37) + "e-50", true},
	{"39 digits and an exponent", "1." + strings.Repeat("3", 38) + "e-50", false},
	{"39 digits, the last a zero of no weight", strings.Repeat("4", 38) + "0", true},
	{"one and 60 zeros", "1" + strings.Repeat("0", 60), true},
	{"60 zeros behind the point and a one", "0." + strings.Repeat("0", 60) + "1", true},
	{"60 needless zeros at the end", "1.5" + strings.Repeat("0", 60), true},
	{"1e-130", "1e-130", true},
	{"-1e-130", "-1e-130", true},
	{"1e-131", "1e-131", false},
	{"9.9e-131", "9.9e-131", false},
	{"10e-131, which is 1e-130", "10e-131", true},
	{"0.1e-129, which is 1e-130", "0.1e-129", true},
	{"9.99e125", "9.99e125", true},
	{"-9.99e125", "-9.99e125", true},
	{"38 nines at e125", "9." + strings.Repeat("9", 37) + "e125", true},
	{"1e126", "1e126", false},
	{"-1e126", "-1e126", false},
	{"10e125, which is 1e126", "10e125", false},
	{"0.1e126, which is 1e125", "0.1e126", true},
	{"1e400", "1e400", false},
	{"1e-400", "1e-400", false},
	{"1e99999999999999999999", "1e99999999999999999999", false},
}

// testNumbers sends every number in both fields, at three places.
func testNumbers(s *suite) {
	for _, m := range objectFields {
		for _, c := range numberCases {
			s.run(m.field+" "+c.name, func(w *world) {
				var rows []string
				for i, format := range []string{`{"n":%s}`, `{"o":{"n":%s}}`, `{"a":[true,%s]}`} {
					rows = append(rows, fmt.Sprintf(`{"userId":"u%d","%s":%s}`, i, m.field, fmt.Sprintf(format, c.number)))
				}
				o := w.post(bodyOf(rows...)).outcome()
				for i := range rows {
					if !c.fits {
						o.namesFields(o.row(i, "failed", m.code))
						w.lacks(o.answer, fmt.Sprintf("u%d", i))
						continue
					}
					o.row(i, "created")
				}
				if !c.fits {
					return
				}
				stored := w.stored("u0")
				f := stored.CustomFields
				if m.field == "metadata" {
					f = stored.Metadata
				}
				w.hasNumber(o.answer, f, "n", c.number)
				// By its value it is the same, so nothing is to be written.
				again := w.post(bodyOf(rows...)).outcome()
				for i := range rows {
					again.row(i, "unchanged")
				}
			})
		}
	}
}

// hasNumber checks that a field has exactly that value.
func (w *world) hasNumber(a *answer, f bulk.Fields, name, want string) {
	w.Helper()
	text, _ := f.Get(name)
	got, gotOK := new(big.Rat).SetString(string(text))
	wanted, wantOK := new(big.Rat).SetString(want)
	if !gotOK || !wantOK || got.Cmp(wanted) != 0 {
		a.errorf("%s came back as %q", want, text)
	}
}
