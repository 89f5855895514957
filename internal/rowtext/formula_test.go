package rowtext_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/bulkops/bulkops/internal/rowtext"
)

func TestDefuse(t *testing.T) {
	for text, want := range map[string]string{
		"=1": "'=1", "+1": "'+1", "-1": "'-1", "@a": "'@a", "＝1": "'＝1", "\t=1": "'\t'=1", " =1": "' =1", "\ufeff=1": "'\ufeff=1", "\u200b=1": "'\u200b=1", "\x00=1": "'\x00=1",
		"\tx": "'\tx", "'=1": "''=1", "a;=1": "a;'=1", "a|=1": "a|'=1", "a\n=1\r=2": "a\n'=1\r'=2", "a;'=1": "a;''=1",
		"": "", "a=1": "a=1", "'a": "'a", "a;b": "a;b", "1-2": "1-2", "a,=1": "a,=1",
	} {
		assert.Equal(t, want, rowtext.Defuse(text), "%q", text)
	}
	assert.Equal(t, `["\u003b=1","a\u007c =1","x;y"]`, rowtext.DefuseJSON([]byte(`[";=1","a| =1","x;y"]`)))
	var scratch []byte
	for text, want := range map[string]string{"'=1": "=1", "''=1": "'=1", "=1": "=1", "'a": "'a", "a;'=1": "a;'=1"} {
		assert.Equal(t, want, string(rowtext.Restore([]byte(text), false, &scratch)), "%q", text)
	}
}

func TestAppendCell(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "a b": "a b", "a,b": `"a,b"`, "a;b": `"a;b"`, "a|b": `"a|b"`, "a\tb": "\"a\tb\"", "a\nb": "\"a\nb\"", "a\rb": "\"a\rb\"", `6'2"`: `"6'2"""`, " a": `" a"`, "a ": `"a "`,
	} {
		assert.Equal(t, "x"+want, string(rowtext.AppendCell([]byte("x"), text)))
	}
}

func FuzzDefuse(f *testing.F) {
	for _, text := range []string{"=1", "'=1", ";'=1|+\n\r\n-", "\ufeff'\u200b=", "a", "''", "\xff=;"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		safe := rowtext.Defuse(text)
		var scratch []byte
		assert.Equal(t, text, string(rowtext.Restore([]byte(safe), true, &scratch)), "rule: every text comes back as it was")
		for _, part := range strings.FieldsFunc(safe, func(r rune) bool { return strings.ContainsRune(rowtext.CellBreaks, r) }) {
			assert.False(t, strings.ContainsAny(part[:1], "=+-@"), "rule: nothing begins like a formula, whatever separates cells: %q", safe)
		}
	})
}
