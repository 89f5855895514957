package sesmail

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// validTag reports whether SES takes a message tag of that name or value.
func validTag(s string) bool {
	if s == "" || len(s) > MaxTag {
		return false
	}
	for _, c := range []byte(s) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_':
		default:
			return false
		}
	}
	return true
}

// keyTag returns the tag's value for the key of a message: the key with underscores
// for slashes, which is readable, or a hash of a key that has characters which a
// tag cannot have.
func keyTag(key string) string {
	if tag := strings.ReplaceAll(key, "/", "_"); validTag(tag) {
		return tag
	}
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:])
}
