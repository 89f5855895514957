package bulk

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func stored(id, email, fields string) *Stored {
	u := User{ID: id, Email: email}
	if fields != "" {
		if err := u.CustomFields.UnmarshalJSON([]byte(fields)); err != nil {
			panic(err)
		}
	}
	return &Stored{User: u, Version: "v1"}
}

func planOf(t *testing.T, row string) *plan {
	t.Helper()
	p := readRow(0, Row{JSON: []byte(row)})
	require.Empty(t, p.errors, row)
	return p
}

// TestDecideIsTheContract walks every combination of the options and of what the
// store may hold for a row.
func TestDecideIsTheContract(t *testing.T) {
	var (
		upsert = Options{Upsert: true}
		none   = Options{}
		skip   = Options{SkipDuplicates: true}
		wins   = Options{Upsert: true, SkipDuplicates: true}
	)
	exists, taken := CodeUserExists, CodeEmailTaken
	type want struct {
		status Status
		code   RowCode
	}
	var (
		created   = want{StatusCreated, ""}
		updated   = want{StatusUpdated, ""}
		unchanged = want{StatusUnchanged, ""}
		skipped   = want{StatusSkipped, ""}
	)
	for _, test := range []struct {
		name  string
		row   string
		found Found
		id    string

		upsert, none, skip want
	}{
		{"AbsentByID", `{"userId":"a"}`, Found{}, "a", created, created, created},
		{"AbsentByEmail", `{"email":"a@x.y"}`, Found{}, "new", created, created, created},
		{"AbsentByBoth", `{"userId":"a","email":"a@x.y"}`, Found{}, "a", created, created, created},
		{"ByID", `{"userId":"a","customFields":{"k":1}}`, Found{ByID: stored("a", "", "")}, "a",
			updated, want{StatusFailed, exists}, skipped},
		{"ByIDUnchanged", `{"userId":"a","customFields":{"k":1.0}}`, Found{ByID: stored("a", "", `{"k":1,"l":2}`)}, "a",
			unchanged, want{StatusFailed, exists}, skipped},
		{"ByEmail", `{"email":"A@x.y","customFields":{"k":1}}`, Found{ByEmail: stored("b", "a@x.y", "")}, "b",
			updated, want{StatusFailed, exists}, skipped},
		{"ByEmailInOtherLetters", `{"email":"A@x.y"}`, Found{ByEmail: stored("b", "a@x.y", "")}, "b",
			unchanged, want{StatusFailed, exists}, skipped},
		{"ByBothTheSame", `{"userId":"a","email":"a@x.y"}`,
			Found{ByID: stored("a", "a@x.y", ""), ByEmail: stored("a", "a@x.y", "")}, "a",
			unchanged, want{StatusFailed, exists}, skipped},
		{"EmailInOtherLetters", `{"userId":"a","email":"A@x.y"}`,
			Found{ByID: stored("a", "a@x.y", ""), ByEmail: stored("a", "a@x.y", "")}, "a",
			updated, want{StatusFailed, exists}, skipped},
		{"EmailChanges", `{"userId":"a","email":"new@x.y"}`, Found{ByID: stored("a", "a@x.y", "")}, "a",
			updated, want{StatusFailed, exists}, skipped},
		{"EmailOfAnother", `{"userId":"a","email":"b@x.y"}`,
			Found{ByID: stored("a", "a@x.y", ""), ByEmail: stored("b", "b@x.y", "")}, "a",
			want{StatusFailed, taken}, want{StatusFailed, exists}, skipped},
		{"NewIDWithEmailOfAnother", `{"userId":"a","email":"b@x.y"}`, Found{ByEmail: stored("b", "b@x.y", "")}, "a",
			want{StatusFailed, taken}, want{StatusFailed, taken}, want{StatusFailed, taken}},
	} {
		for _, mode := range []struct {
			name string
			opts Options
			want want
		}{
			{"Upsert", upsert, test.upsert}, {"None", none, test.none}, {"Skip", skip, test.skip}, {"SkipWins", wins, test.skip},
		} {
			t.Run(test.name+"/"+mode.name, func(t *testing.T) {
				d := decide(planOf(t, test.row), test.found, mode.opts, "new")
				got := want{status: d.status}
				if len(d.errors) > 0 {
					got.code = d.errors[0].Code
				}
				assert.Equal(t, mode.want, got)
				assert.Equal(t, test.id, d.userID)
				writes := d.status == StatusCreated || d.status == StatusUpdated
				assert.Equal(t, writes, d.writes)
				if writes {
					assert.Equal(t, test.id, d.user.User.ID)
					assert.Equal(t, d.status == StatusCreated, d.base == nil)
				}
			})
		}
	}
}

func TestDecideWrites(t *testing.T) {
	upsert := Options{Upsert: true}
	t.Run("CreateDropsNulls", func(t *testing.T) {
		d := decide(planOf(t, `{"userId":"a","email":"A@x.y","customFields":{"k":1,"gone":null},"metadata":{"m":null}}`), Found{}, upsert, "")
		require.True(t, d.writes)
		assert.Equal(t, stored("a", "A@x.y", `{"k":1}`).User, d.user.User)
		assert.True(t, d.patch.IsZero())
	})
	t.Run("UpdateWritesOnlyWhatChanges", func(t *testing.T) {
		base := stored("a", "a@x.y", `{"k":1,"l":2,"m":3}`)
		d := decide(planOf(t, `{"userId":"a","customFields":{"k":1,"l":null,"m":4,"x":null,"n":5}}`), Found{ByID: base}, upsert, "")
		require.True(t, d.writes)
		assert.Same(t, base, d.base)
		assert.Equal(t, `{"l":null,"m":4,"n":5}`, d.patch.CustomFields.String())
		assert.True(t, d.patch.Metadata.IsZero())
		assert.Empty(t, d.patch.Email)
		assert.Equal(t, stored("a", "a@x.y", `{"k":1,"m":4,"n":5}`).User, d.user.User)
		assert.Equal(t, `{"k":1,"l":2,"m":3}`, base.CustomFields.String(), "the base stays")
		assert.False(t, (&Write{User: d.user.User, Base: d.base}).releasesEmail())
	})
	t.Run("EmailChange", func(t *testing.T) {
		d := decide(planOf(t, `{"userId":"a","email":"new@x.y"}`), Found{ByID: stored("a", "a@x.y", "")}, upsert, "")
		require.True(t, d.writes)
		assert.Equal(t, Patch{Email: "new@x.y"}, d.patch)
		assert.Equal(t, "new@x.y", d.user.User.Email)
		assert.True(t, (&Write{User: d.user.User, Base: d.base}).releasesEmail())
	})
	t.Run("NewSpellingReleasesNothing", func(t *testing.T) {
		d := decide(planOf(t, `{"userId":"a","email":"A@X.y"}`), Found{ByID: stored("a", "a@x.y", "")}, upsert, "")
		require.True(t, d.writes)
		assert.Equal(t, "A@X.y", d.patch.Email)
		assert.False(t, (&Write{User: d.user.User, Base: d.base}).releasesEmail())
	})
	t.Run("FirstEmail", func(t *testing.T) {
		d := decide(planOf(t, `{"userId":"a","email":"a@x.y"}`), Found{ByID: stored("a", "", "")}, upsert, "")
		require.True(t, d.writes)
		assert.False(t, (&Write{User: d.user.User, Base: d.base}).releasesEmail())
	})
	t.Run("MergedUserTooLarge", func(t *testing.T) {
		half := strings.Repeat("x", MaxUser*2/3)
		d := decide(planOf(t, `{"userId":"a","customFields":{"b":"`+half+`"}}`), Found{ByID: stored("a", "", `{"a":"`+half+`"}`)}, upsert, "")
		assert.False(t, d.writes)
		assert.Equal(t, []fault{{CodeUserTooLarge, ""}}, faults(d.errors))
	})
	t.Run("GeneratedIDTooLarge", func(t *testing.T) {
		row := func(n int) string {
			return `{"email":"a@x.y","customFields":{"b":"` + strings.Repeat("x", n) + `"}}`
		}
		n := MaxUser - planOf(t, row(0)).Size()
		d := decide(planOf(t, row(n)), Found{}, upsert, "an id that the row was not counted with")
		assert.False(t, d.writes)
		assert.Equal(t, []fault{{CodeUserTooLarge, ""}}, faults(d.errors))
	})
}

// TestMergeModes checks what an object of a row makes of that of a stored user.
func TestMergeModes(t *testing.T) {
	const base = `{"k":1,"l":{"a":1,"b":2},"m":3}`
	for _, test := range []struct {
		name, fields         string // of the row
		merge, fill, replace string // what is written of it, "" for nothing
	}{
		{"Changed", `"customFields":{"k":2}`, `{"k":2}`, ``, `{"k":2,"l":null,"m":null}`},
		{"Added", `"customFields":{"n":4}`, `{"n":4}`, `{"n":4}`, `{"k":null,"l":null,"m":null,"n":4}`},
		{"Removed", `"customFields":{"k":null,"absent":null}`, `{"k":null}`, ``, `{"k":null,"l":null,"m":null}`},
		{"AddedAndChanged", `"customFields":{"k":2,"n":4,"m":null}`, `{"k":2,"m":null,"n":4}`, `{"n":4}`, `{"k":2,"l":null,"m":null,"n":4}`},
		{"WithinAnObject", `"customFields":{"l":{"c":3}}`, `{"l":{"c":3}}`, ``, `{"k":null,"l":{"c":3},"m":null}`},
		{"TheSame", `"customFields":` + base, ``, ``, ``},
		{"Empty", `"customFields":{}`, ``, ``, `{"k":null,"l":null,"m":null}`},
		{"Null", `"customFields":null`, ``, ``, ``},
		{"Absent", `"metadata":null`, ``, ``, ``},
	} {
		for mode, want := range map[MergeMode]string{MergeKeys: test.merge, MergeFill: test.fill, MergeReplace: test.replace} {
			name := test.name + "/" + mode.String()
			user := stored("a", "a@x.y", base)
			user.Metadata = user.CustomFields
			d := decide(planOf(t, `{"userId":"a",`+test.fields+`}`), Found{ByID: user}, Options{Upsert: true, Merge: mode}, "")
			if want == "" {
				assert.Equal(t, StatusUnchanged, d.status, name)
				continue
			}
			require.Equal(t, StatusUpdated, d.status, name)
			assert.Equal(t, want, d.patch.CustomFields.String(), name)
			assert.True(t, d.patch.Metadata.IsZero(), "%s: an object that the row does not give stays", name)
			assert.Equal(t, user.CustomFields.Merge(d.patch.CustomFields), d.user.User.CustomFields, "%s: the patch makes the user", name)
			assert.Equal(t, base, d.user.User.Metadata.String(), name)
		}
	}
	t.Run("TheRestApplies", func(t *testing.T) {
		d := decide(planOf(t, `{"userId":"a","email":"new@x.y","customFields":{"k":2}}`), Found{ByID: stored("a", "a@x.y", base)},
			Options{Upsert: true, Merge: MergeFill}, "")
		require.True(t, d.writes)
		assert.Equal(t, Patch{Email: "new@x.y"}, d.patch)
	})
	t.Run("NewUser", func(t *testing.T) {
		for _, mode := range []MergeMode{MergeKeys, MergeFill, MergeReplace} {
			d := decide(planOf(t, `{"userId":"a","customFields":{"k":1,"gone":null}}`), Found{}, Options{Upsert: true, Merge: mode}, "")
			require.True(t, d.writes)
			assert.Equal(t, `{"k":1}`, d.user.User.CustomFields.String(), mode.String())
		}
	})
	t.Run("ReplacingMakesRoom", func(t *testing.T) {
		half := strings.Repeat("x", MaxUser*2/3)
		d := decide(planOf(t, `{"userId":"a","customFields":{"b":"`+half+`"}}`), Found{ByID: stored("a", "", `{"a":"`+half+`"}`)},
			Options{Upsert: true, Merge: MergeReplace}, "")
		assert.Equal(t, StatusUpdated, d.status)
	})
}

func TestDecideUpdateOnly(t *testing.T) {
	opts := Options{Upsert: true, UpdateOnly: true}
	bob := stored("b", "b@x.y", "")
	for _, test := range []struct {
		name, row, id string
		found         Found
		status        Status
	}{
		{"AbsentByID", `{"userId":"a"}`, "a", Found{}, StatusFailed},
		{"AbsentByEmail", `{"email":"a@x.y"}`, "", Found{}, StatusFailed},
		{"EmailOfAnother", `{"userId":"a","email":"b@x.y"}`, "a", Found{ByEmail: bob}, StatusFailed},
		{"ByID", `{"userId":"b","customFields":{"k":1}}`, "b", Found{ByID: bob}, StatusUpdated},
		{"ByEmail", `{"email":"b@x.y","customFields":{"k":1}}`, "b", Found{ByEmail: bob}, StatusUpdated},
		{"Unchanged", `{"email":"b@x.y"}`, "b", Found{ByEmail: bob}, StatusUnchanged},
	} {
		d := decide(planOf(t, test.row), test.found, opts, "new")
		assert.Equal(t, test.status, d.status, test.name)
		assert.Equal(t, test.id, d.userID, test.name)
		if test.status == StatusFailed {
			assert.Equal(t, []fault{{CodeUserNotFound, ""}}, faults(d.errors), test.name)
			assert.False(t, d.writes, test.name)
		}
		opts := opts
		opts.SkipDuplicates = true
		if d := decide(planOf(t, test.row), test.found, opts, "new"); test.status == StatusFailed {
			assert.Equal(t, []fault{{CodeUserNotFound, ""}}, faults(d.errors), test.name)
		} else {
			assert.Equal(t, StatusSkipped, d.status, test.name)
		}
	}
}

func TestEmailTakenNamesTheOwner(t *testing.T) {
	for name, found := range map[string]Found{
		"Update": {ByID: stored("a", "a@x.y", ""), ByEmail: stored("b", "b@x.y", "")}, "Create": {ByEmail: stored("b", "b@x.y", "")},
	} {
		d := decide(planOf(t, `{"userId":"a","email":"B@x.y"}`), found, Options{Upsert: true}, "")
		require.Len(t, d.errors, 1, name)
		assert.Equal(t, RowError{Code: CodeEmailTaken, Field: "email", Message: d.errors[0].Message, ConflictsWith: "b"}, d.errors[0], name)
	}
}

func TestDryRunImagines(t *testing.T) {
	real, made := stored("a", "", ""), &Stored{User: User{ID: "b"}, Version: dryCreated}
	for _, test := range []struct {
		name  string
		found Found
		d     decision
		want  bool
	}{
		{"Created", Found{}, decision{status: StatusCreated, userID: "a"}, true},
		{"Stored", Found{ByID: real}, decision{status: StatusUpdated, userID: "a"}, false},
		{"StoredByEmail", Found{ByEmail: real}, decision{status: StatusSkipped, userID: "a"}, false},
		{"MadeByTheRun", Found{ByID: made, ByEmail: real}, decision{status: StatusUnchanged, userID: "b"}, true},
		{"NewIDThatFails", Found{ByEmail: real}, decision{status: StatusFailed, userID: "c"}, true},
	} {
		assert.Equal(t, test.want, imagined(test.found, test.d), test.name)
	}
}
