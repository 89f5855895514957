package memblob

import (
	"strings"

	"github.com/bulkops/bulkops/bulk"
)

// maxKey is the length of a key in bytes, see [bulk.BlobStore].
const maxKey = 900

// checkKey returns [bulk.ErrBadBlobKey] for a key that [bulk.BlobStore] does not
// allow.
func checkKey(key string) error {
	if len(key) > maxKey {
		return bulk.ErrBadBlobKey
	}
	for segment := range strings.SplitSeq(key, "/") {
		if segment == "" || segment[0] == '.' {
			return bulk.ErrBadBlobKey
		}
		for _, c := range []byte(segment) {
			switch {
			case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
			case c == '-', c == '_', c == '.':
			default:
				return bulk.ErrBadBlobKey
			}
		}
	}
	return nil
}
