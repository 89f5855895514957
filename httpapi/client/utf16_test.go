package client_test

import (
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf16"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bulkops/bulkops/httpapi/client"
)

// utf16Of returns a text in UTF-16 with a byte order mark.
func utf16Of(order binary.AppendByteOrder, text string) string {
	return unitsOf(order, utf16.Encode([]rune("\ufeff"+text))...)
}

func unitsOf(order binary.AppendByteOrder, units ...uint16) string {
	var encoded []byte
	for _, unit := range units {
		encoded = order.AppendUint16(encoded, unit)
	}
	return string(encoded)
}

// readings are ways to hand out a text: surrogate pairs and units are split
// wherever that is possible.
var readings = map[string]func(io.Reader) io.Reader{
	"at once":           func(r io.Reader) io.Reader { return r },
	"byte for byte":     iotest.OneByteReader,
	"three bytes":       func(r io.Reader) io.Reader { return chunked{r, 3} },
	"with its end":      iotest.DataErrReader,
	"in halves":         iotest.HalfReader,
	"4095 bytes a time": func(r io.Reader) io.Reader { return chunked{r, 4095} },
}

// chunked reads at most so many bytes a time.
type chunked struct {
	in   io.Reader
	most int
}

func (c chunked) Read(p []byte) (int, error) { return c.in.Read(p[:min(len(p), c.most)]) }

func TestUTF16(t *testing.T) {
	for order, appendOrder := range map[string]binary.AppendByteOrder{"little endian": binary.LittleEndian, "big endian": binary.BigEndian} {
		mark := unitsOf(appendOrder, 0xfeff)
		for name, test := range map[string]struct{ encoded, want string }{
			"nothing":                      {"", ""},
			"plain":                        {utf16Of(appendOrder, "a,b\r\n"), "a,b\r\n"},
			"every width of UTF-8":         {utf16Of(appendOrder, "aé名😀\U0010ffff\uffff"), "aé名😀\U0010ffff\uffff"},
			"longer than a buffer":         {utf16Of(appendOrder, "x"+strings.Repeat("😀é", 5000)), "x" + strings.Repeat("😀é", 5000)},
			"a second mark is a character": {mark + unitsOf(appendOrder, 0xfeff, 'a'), "\ufeffa"},
			"an odd byte at the end":       {utf16Of(appendOrder, "ab") + "c", "ab\ufffd"},
			"nothing but an odd byte":      {mark + "c", "\ufffd"},
			"a high surrogate at the end":  {mark + unitsOf(appendOrder, 'a', 0xd83d), "a\ufffd"},
			"a high surrogate and a byte":  {mark + unitsOf(appendOrder, 'a', 0xd83d) + "\xde", "a\ufffd\ufffd"},
			"a high surrogate and more":    {mark + unitsOf(appendOrder, 0xd83d, 'a', 'b'), "\ufffdab"},
			"two high surrogates":          {mark + unitsOf(appendOrder, 0xd83d, 0xd83d, 0xde00), "\ufffd😀"},
			"a low surrogate":              {mark + unitsOf(appendOrder, 0xde00, 'a'), "\ufffda"},
			"a low surrogate at the end":   {mark + unitsOf(appendOrder, 'a', 0xde00), "a\ufffd"},
			"surrogates in disorder":       {mark + unitsOf(appendOrder, 0xde00, 0xd83d, 'z'), "\ufffd\ufffdz"},
		} {
			for way, reading := range readings {
				got, err := io.ReadAll(client.Decoded(reading(strings.NewReader(test.encoded))))
				require.NoError(t, err)
				want := test.want
				assert.Equal(t, want, string(got), "%s, %s, read %s", name, order, way)
			}
		}
	}
}

func TestOtherTextIsNotTakenForUTF16(t *testing.T) {
	for _, text := range []string{"", "a", "ab", "\ufeffa", "\xff", "\xffa\xfe", "\xff\xfe\x00\x00a\x00\x00\x00", "a\x00b\x00"} {
		got, err := io.ReadAll(client.Decoded(iotest.OneByteReader(strings.NewReader(text))))
		require.NoError(t, err)
		assert.Equal(t, text, string(got))
	}
}

// An error of the stream comes after the text before it, and what was cut off is
// not taken for the end.
func TestUTF16ThatBreaksOff(t *testing.T) {
	broken := errors.New("broken")
	text := utf16Of(binary.LittleEndian, "ab") + "\x3d\xd8\x00"
	got, err := io.ReadAll(client.Decoded(io.MultiReader(strings.NewReader(text), iotest.ErrReader(broken))))
	assert.ErrorIs(t, err, broken)
	assert.Equal(t, "ab", string(got))

	got, err = io.ReadAll(client.Decoded(io.MultiReader(strings.NewReader(text), silent{})))
	assert.ErrorIs(t, err, io.ErrNoProgress, "a stream that yields nothing does not hang")
	assert.Equal(t, "ab", string(got))
}

// silent is a stream that yields nothing for ever.
type silent struct{}

func (silent) Read([]byte) (int, error) { return 0, nil }

func FuzzUTF16(f *testing.F) {
	f.Add(utf16Of(binary.LittleEndian, "a😀")[2:], 3)
	f.Add("\x3d\xd8\x3d\xd8\x00\xde\x00", 1)
	f.Fuzz(func(t *testing.T, encoded string, step int) {
		if step < 1 || step > 5000 || strings.HasPrefix(encoded, "\x00\x00") { // it would be UTF-32
			return
		}
		var units []uint16
		for i := 0; i+1 < len(encoded); i += 2 {
			units = append(units, binary.BigEndian.Uint16([]byte(encoded[i:])))
		}
		want := string(utf16.Decode(units))
		if len(encoded)%2 == 1 {
			want += "\ufffd"
		}
		got, err := io.ReadAll(client.Decoded(chunked{strings.NewReader("\xfe\xff" + encoded), step}))
		if err != nil || string(got) != want {
			t.Fatalf("%x: %q, %v, want %q", encoded, got, err, want)
		}
	})
}
