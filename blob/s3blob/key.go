package s3blob

import (
	"strings"

	"github.com/bulkops/bulkops/bulk"
)

const (
	// MaxKey is the length of an object's key in bytes. Source: Amazon S3 User
	// Guide, "Naming Amazon S3 objects".
	MaxKey = 1024
	// MaxPrefix is the length of [Options.Prefix].
	MaxPrefix = MaxKey - bulk.MaxBlobKey
)

// cleanPrefix returns a prefix with its slash at the end, and whether it is one.
func cleanPrefix(prefix string) (string, bool) {
	if prefix == "" {
		return "", true
	}
	prefix = strings.TrimSuffix(prefix, "/") + "/"
	return prefix, len(prefix) <= MaxPrefix && bulk.CheckBlobKey(strings.TrimSuffix(prefix, "/")) == nil
}
