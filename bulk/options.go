package bulk

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"
)

// Options say what an import does with users that exist. They are the wire
// format's options of the same names. [DefaultOptions] has the defaults; the
// zero value has Upsert off.
type Options struct {
	// Upsert updates a user that exists. Without it such a row fails with
	// [CodeUserExists]. Defaults to true.
	Upsert bool `json:"upsert"`
	// SkipDuplicates leaves a user that exists as it is: the row is
	// [StatusSkipped]. It wins over Upsert. Defaults to false.
	SkipDuplicates bool `json:"skipDuplicates"`
	// SendWelcomeEmail sends one welcome email to each user that the import
	// created, after the last row and to the address that the user has then. A user
	// without one gets none. It needs a [Mailer]. Defaults to false.
	SendWelcomeEmail bool `json:"sendWelcomeEmail"`
	// DryRun decides and reports every row and writes and sends nothing.
	// Defaults to false.
	DryRun bool `json:"dryRun"`
	// UpdateOnly creates nobody: a row whose user does not exist fails with
	// [CodeUserNotFound], whoever has its email. Without Upsert it is refused, as
	// nothing could happen. Defaults to false.
	UpdateOnly bool `json:"updateOnly"`
	// Merge is how the custom fields and the metadata of a row change a user that
	// exists. Defaults to [MergeKeys].
	Merge MergeMode `json:"merge"`
	// MaxFailed stops an import in which more rows than this have failed before its
	// next batch: see [JobErrorTooManyFailed]. It is exact, whatever
	// [Config.Parallel] is: a batch is begun only while the rows under way could not
	// exceed it, so a small number makes batches wait for each other. nil, the
	// default, is no limit.
	MaxFailed *int `json:"maxFailed"`
	// Label is text of the caller's own, up to [MaxLabel] code points without
	// control characters. A job has it as [JobSpec.Label], and not among its options.
	Label string `json:"label,omitempty"`
}

// A MergeMode says how an object of a row changes that of a stored user. Other
// attributes of the user, which the host may own, are never touched. As text it is
// "merge", "fill" or "replace".
type MergeMode string

// The modes of merging.
const (
	// MergeKeys goes key by key: a key of the row replaces that of the user, null
	// removes it, and all others stay.
	MergeKeys MergeMode = ""
	// MergeFill writes the keys that the user does not have, and changes and removes
	// none.
	MergeFill MergeMode = "fill"
	// MergeReplace puts an object that the row gives in the place of the user's,
	// without its keys that are null. An empty object removes all keys; an object
	// that the row does not give stays.
	MergeReplace MergeMode = "replace"
)

const mergeKeysText = "merge"

// String returns the mode as requests have it.
func (m MergeMode) String() string { return cmp.Or(string(m), mergeKeysText) }

// MarshalText returns the mode as requests have it.
func (m MergeMode) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText is the inverse of MarshalText. It refuses other texts.
func (m *MergeMode) UnmarshalText(text []byte) error {
	switch mode := MergeMode(text); mode {
	case mergeKeysText:
		*m = MergeKeys
	case MergeFill, MergeReplace:
		*m = mode
	default:
		return errors.New(`bulk: a mode of merging is "merge", "fill" or "replace"`)
	}
	return nil
}

// MaxLabel is the length of an [Options.Label] in Unicode code points.
const MaxLabel = 128

// DefaultOptions returns the options of a request that gives none.
func DefaultOptions() Options { return Options{Upsert: true} }

// check returns why a request of these options is refused.
func (o Options) check() error {
	refuse := func(option, problem string) error {
		return &RequestError{Code: CodeInvalidRequest, Message: fmt.Sprintf("option %s %s", option, problem),
			Details: map[string]any{"option": option}}
	}
	switch {
	case o.UpdateOnly && !o.Upsert:
		return refuse("updateOnly", "needs upsert: without both, nothing could happen")
	case !slices.Contains([]MergeMode{MergeKeys, MergeFill, MergeReplace}, o.Merge):
		return refuse("merge", "must be MergeKeys, MergeFill or MergeReplace")
	case o.MaxFailed != nil && *o.MaxFailed < 0:
		return refuse("maxFailed", "must not be negative")
	case utf8.RuneCountInString(o.Label) > MaxLabel || hasControl(o.Label) || !utf8.ValidString(o.Label):
		return refuse("label", fmt.Sprintf("must have at most %d characters and no control characters", MaxLabel))
	}
	return nil
}

// patch returns what an object of a row changes in that of a stored user. given
// says whether the row has the object.
func (m MergeMode) patch(stored, row Fields, given bool) Fields {
	switch {
	case m == MergeFill:
		return stored.missing(row)
	case m == MergeReplace && given:
		return stored.changes(Fields{}.Merge(row))
	default:
		return stored.diff(row)
	}
}
