package s3blob

import (
	"strings"

	"github.com/bulkops/bulkops/bulk"
)

const (
	// MaxKey is the length of an object's key in bytes. Source: Amazon S3 User
	// Guide, "Naming Amazon S3 objects".
	MaxKey = 1024
	// maxBlobKey is the length of a blob's key, see [bulk.BlobStore].
	maxBlobKey = 900
	// MaxPrefix is the length of [Options.Prefix].
	MaxPrefix = MaxKey - maxBlobKey
)

// checkKey returns [bulk.ErrBadBlobKey] for a key that [bulk.BlobStore] does not
// allow.
func checkKey(key string) error {
	if len(key) > maxBlobKey {
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

// cleanPrefix returns a prefix with its slash at the end, and whether it is one.
func cleanPrefix(prefix string) (string, bool) {
	if prefix == "" {
		return "", true
	}
	prefix = strings.TrimSuffix(prefix, "/") + "/"
	return prefix, len(prefix) <= MaxPrefix && checkKey(strings.TrimSuffix(prefix, "/")) == nil
}
