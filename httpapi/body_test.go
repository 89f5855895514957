package httpapi

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// asked is a body that notes how much each read asks for, and yields up to step bytes of it.
type asked struct {
	step  int
	left  int
	sizes []int
}

func (a *asked) Read(p []byte) (int, error) {
	a.sizes = append(a.sizes, len(p))
	n := min(len(p), a.step, a.left)
	a.left -= n
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

func bodyHold(total int64) *held {
	return &held{hold: newBudget(total, time.Second).open("acme")}
}

func TestBodyBufferGrowsWithWhatArrives(t *testing.T) {
	for name, test := range map[string]struct {
		step, left int
		length     int64
		sizes      []int
		reserved   int64
	}{
		"a fast one":             {1 << 30, 700 << 10, -1, []int{16 << 10, 64 << 10, 256 << 10, 256 << 10, 256 << 10, 256 << 10}, 256 << 10},
		"of a known length":      {1 << 30, 80 << 10, 80 << 10, []int{16 << 10, 64 << 10, 256 << 10}, 256 << 10},
		"one that trickles":      {1000, 3000, -1, []int{16 << 10, 16 << 10, 16 << 10, 16 << 10}, 0},
		"one that does not come": {0, 0, 64 << 20, []int{16 << 10}, 0},
		"the shortest":           {1 << 30, 16 << 10, 16 << 10, []int{16 << 10, 64 << 10}, 64 << 10},
	} {
		t.Run(name, func(t *testing.T) {
			src, held := &asked{step: test.step, left: test.left}, bodyHold(1<<20)
			n, err := io.Copy(io.Discard, buffered(src, test.length, held))
			require.NoError(t, err)
			assert.EqualValues(t, test.left, n)
			assert.Equal(t, test.sizes, src.sizes)
			assert.Equal(t, test.reserved, held.hold.n)
		})
	}
}

// A short body costs no buffer.
func TestShortBodiesAreNotBuffered(t *testing.T) {
	for _, length := range []int64{0, 16<<10 - 1} {
		src := new(asked)
		assert.Same(t, src, buffered(src, length, bodyHold(1<<20)))
	}
}

func TestBodyBufferIsAReader(t *testing.T) {
	content := bytes.Repeat([]byte("0123456789abcdef"), 10_000)
	for name, src := range map[string]io.Reader{
		"whole": bytes.NewReader(content), "halves": iotest.HalfReader(bytes.NewReader(content)), "data with the error": iotest.DataErrReader(bytes.NewReader(content)),
	} {
		require.NoError(t, iotest.TestReader(buffered(src, -1, bodyHold(1<<20)), content), name)
	}
	reset := errors.New("reset")
	src := iotest.DataErrReader(io.MultiReader(bytes.NewReader(content[:9]), &failsOnce{reset}))
	r := buffered(src, -1, bodyHold(1<<20))
	got, err := io.ReadAll(r)
	assert.Equal(t, content[:9], got, "rule: what came before an error is read")
	assert.Equal(t, reset, err)
	_, err = r.Read(make([]byte, 1))
	assert.Equal(t, reset, err, "rule: the error stays")
}

// failsOnce is a body that fails, and then ends.
type failsOnce struct{ err error }

func (f *failsOnce) Read([]byte) (int, error) {
	err := f.err
	f.err = io.EOF
	return 0, err
}

// A body for whose buffer there is no memory is refused, and not read on.
func TestBodyBufferIsCounted(t *testing.T) {
	held := bodyHold(128 << 10)
	src := &asked{step: 1 << 30, left: 1 << 20}
	n, err := io.Copy(io.Discard, buffered(src, -1, held))
	assert.Equal(t, http.StatusRequestEntityTooLarge, statusOf(err))
	assert.EqualValues(t, (16+64)<<10, n)
	assert.Len(t, src.sizes, 2)
}
