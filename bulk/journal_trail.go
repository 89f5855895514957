package bulk

import (
	"crypto/rand"
	"encoding/base64"
	"strconv"
	"strings"
)

// MaxMark is the length of a [Stored.Mark] in bytes.
const MaxMark = 1 << 10

// A trail is what this package leaves on a user in [Stored.Mark]: how often it
// wrote the user, and the nonces of the last of these writes. A write knows its
// place in the trail beforehand, so its nonce there, or another one, says whether
// it was done, whoever has written the user since.
//
// The text is the number of writes, a colon, and the nonces, the oldest first.
type trail struct {
	count  int64
	nonces string
}

const (
	nonceBytes  = 6
	nonceLength = nonceBytes * 4 / 3
	// maxTrail is how many nonces are kept: that of a write and those of 64 later
	// ones. More would cost every write of a user, which databases bill by the KB.
	maxTrail = 65
)

// newNonce returns a nonce that no other write has.
func newNonce() string { return newNonces(1) }

// newNonces returns nonces, one behind the other.
func newNonces(n int) string {
	b := make([]byte, n*nonceBytes)
	rand.Read(b) // never fails, see its documentation
	return base64.RawURLEncoding.EncodeToString(b)
}

// parseTrail reads a mark. A mark that is not a trail, as on a user that other
// programs made, is a trail without writes.
func parseTrail(mark string) trail {
	number, nonces, _ := strings.Cut(mark, ":")
	count, err := strconv.ParseInt(number, 10, 64)
	if err != nil || count < 1 || len(nonces) != nonceLength*int(min(count, maxTrail)) {
		return trail{}
	}
	return trail{count, nonces}
}

// push returns the mark with one write more.
func (t trail) push(nonce string) string {
	nonces := t.nonces
	if len(nonces) == maxTrail*nonceLength {
		nonces = nonces[nonceLength:]
	}
	return strconv.FormatInt(t.count+1, 10) + ":" + nonces + nonce
}

// at returns the nonce of the write of that number, from 1. It reports false if
// there was no such write, or if it is longer ago than the trail reaches.
func (t trail) at(number int64) (nonce string, ok bool) {
	kept := int64(len(t.nonces) / nonceLength)
	i := number - (t.count - kept) - 1
	if i < 0 || i >= kept {
		return "", false
	}
	return t.nonces[i*nonceLength : (i+1)*nonceLength], true
}
