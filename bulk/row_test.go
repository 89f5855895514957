package bulk

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// reusedRows yields rows whose text is overwritten by the next one.
type reusedRows struct {
	texts []string
	buf   []byte
}

func (r *reusedRows) Next() (Row, error) {
	if len(r.texts) == 0 {
		return Row{}, io.EOF
	}
	r.buf = append(r.buf[:0], r.texts[0]...)
	r.texts = r.texts[1:]
	return Row{JSON: r.buf}, nil
}

// TestRowsReadAheadAreKept reads rows of all lengths around those that share memory, and
// writes behind each of them.
func TestRowsReadAheadAreKept(t *testing.T) {
	var texts []string
	for i := range 500 {
		texts = append(texts, fmt.Sprintf("%d", i)+strings.Repeat("x", []int{0, 100, maxSharing - 3, maxSharing, 3 * maxSharing}[i%5]))
	}
	l := &limitedReader{rows: &reusedRows{texts: texts, buf: make([]byte, 0, 4*maxSharing)}, limit: len(texts)}
	ended, err := l.readAhead(len(texts) + 1)
	require.NoError(t, err)
	assert.True(t, ended)
	for i := range texts {
		row, err := l.Next()
		require.NoError(t, err)
		assert.Equal(t, texts[i], string(row.JSON))
		_ = append(row.JSON, bytes.Repeat([]byte{'!'}, 10)...)
	}
	_, err = l.Next()
	assert.Equal(t, io.EOF, err)
}
