package client

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
)

// A keyring makes the idempotency keys of the parts of an import, one after the
// other.
type keyring struct {
	base      string
	byContent bool
	sum       [sha256.Size]byte // of all parts so far
}

// contentKeyLen is what a key by content has behind its base and a dot.
const contentKeyLen = 32

// next returns the key of the next part. Each sum has the one before in it, so parts
// with the same rows have keys of their own.
func (k *keyring) next(p *part, q *call) string {
	if !k.byContent {
		return k.base + "." + strconv.Itoa(p.number)
	}
	h := sha256.New()
	h.Write(k.sum[:])
	fmt.Fprintf(h, "%q %q %q\n", q.header["Content-Type"], q.header["Prefer"], q.query.Encode())
	h.Write(q.body)
	h.Sum(k.sum[:0])
	return k.base + "." + hex.EncodeToString(k.sum[:contentKeyLen/2])
}
