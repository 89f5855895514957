package bulk

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestOptionsCheck(t *testing.T) {
	upsert := DefaultOptions()
	with := func(change func(*Options)) Options {
		opts := upsert
		change(&opts)
		return opts
	}
	for name, opts := range map[string]Options{
		"Defaults":       upsert,
		"Zero":           {},
		"UpdateOnly":     {Upsert: true, UpdateOnly: true},
		"SkipAndUpdate":  {Upsert: true, UpdateOnly: true, SkipDuplicates: true},
		"LongestLabel":   with(func(o *Options) { o.Label = strings.Repeat("é", MaxLabel) }),
		"NoneMayFail":    with(func(o *Options) { o.MaxFailed = new(0) }),
		"EveryMergeMode": with(func(o *Options) { o.Merge = MergeReplace }),
	} {
		assert.NoError(t, opts.check(), name)
	}
	for name, test := range map[string]struct {
		opts   Options
		option string
	}{
		"NothingCouldHappen": {Options{UpdateOnly: true}, "updateOnly"},
		"SkipDoesNotHelp":    {Options{UpdateOnly: true, SkipDuplicates: true}, "updateOnly"},
		"UnknownMerge":       {with(func(o *Options) { o.Merge = "deep" }), "merge"},
		"NegativeMaxFailed":  {with(func(o *Options) { o.MaxFailed = new(-1) }), "maxFailed"},
		"LongLabel":          {with(func(o *Options) { o.Label = strings.Repeat("é", MaxLabel+1) }), "label"},
		"LineFeedInLabel":    {with(func(o *Options) { o.Label = "a\nb" }), "label"},
		"DeleteInLabel":      {with(func(o *Options) { o.Label = "\x7f" }), "label"},
		"LabelIsNoText":      {with(func(o *Options) { o.Label = "\xff" }), "label"},
	} {
		var refused *RequestError
		require.ErrorAs(t, test.opts.check(), &refused, name)
		assert.Equal(t, CodeInvalidRequest, refused.Code, name)
		assert.Contains(t, refused.Message, test.option, name)
		assert.Equal(t, map[string]any{"option": test.option}, refused.Details, name)
	}
}

// Options come back from JSON as they are, and show what they are by default.
func TestOptionsAsJSON(t *testing.T) {
	text, err := json.Marshal(DefaultOptions())
	require.NoError(t, err)
	assert.JSONEq(t, `{"upsert":true,"skipDuplicates":false,"sendWelcomeEmail":false,"dryRun":false,
		"updateOnly":false,"merge":"merge","maxFailed":null}`, string(text))
	for _, opts := range []Options{{}, DefaultOptions(), {Merge: MergeFill, MaxFailed: new(0), Label: "l"}, {Merge: MergeReplace, UpdateOnly: true}} {
		text, err := json.Marshal(opts)
		require.NoError(t, err)
		var back Options
		require.NoError(t, json.Unmarshal(text, &back))
		assert.Equal(t, opts, back)
	}
	assert.Error(t, json.Unmarshal([]byte(`{"merge":""}`), new(Options)))
	assert.Error(t, json.Unmarshal([]byte(`{"merge":"Merge"}`), new(Options)))
}

// The same options under one idempotency key are the same request, wherever they
// are in memory.
func TestFingerprintOfOptions(t *testing.T) {
	sum := func(opts Options) string { return newFingerprintReader(nil).sum(opts) }
	one := Options{Upsert: true, MaxFailed: new(7)}
	assert.Equal(t, sum(one), sum(Options{Upsert: true, MaxFailed: new(7)}))
	for _, other := range []Options{
		{Upsert: true}, {Upsert: true, MaxFailed: new(8)}, {Upsert: true, MaxFailed: new(7), Merge: MergeFill},
		{Upsert: true, MaxFailed: new(7), Label: "l"}, {Upsert: true, MaxFailed: new(7), UpdateOnly: true},
	} {
		assert.NotEqual(t, sum(one), sum(other), "%+v", other)
	}
}
