package bulk

import "strings"

// A texts makes strings of bytes, several of them in one piece of memory. The zero value
// is ready for use.
//
// A string keeps its piece in memory as a whole. So pieces are small, long strings have
// memory of their own, and what is kept for different times comes from different texts.
type texts struct{ piece strings.Builder }

const (
	// textPiece is the size of a piece in bytes.
	textPiece = 4 << 10
	// maxSharing is the length of the longest string that shares a piece.
	maxSharing = textPiece / 4
)

// add returns the text as a string.
func (t *texts) add(text []byte) string {
	if len(text) > maxSharing {
		return string(text)
	}
	if len(text) > t.piece.Cap()-t.piece.Len() {
		t.piece.Reset() // and does not touch the piece, which is that of others now
		t.piece.Grow(textPiece)
	}
	start := t.piece.Len()
	t.piece.Write(text)
	return t.piece.String()[start:]
}
