// Package cursor makes the cursors of job listings.
//
// A cursor is the id where a page ended behind a checksum of it and the tenant.
// The checksum tells cursors of other tenants and damaged ones. It need not be
// secret: whoever makes one up sees nothing but the tenant's own jobs.
package cursor

import (
	"crypto/sha256"
	"encoding/base64"

	"github.com/bulkops/bulkops/bulk"
)

const checksumSize = 8

func checksum(tenant, id string) []byte {
	sum := sha256.Sum256([]byte(tenant + "\x00" + id))
	return sum[:checksumSize]
}

// Make returns the cursor of a page of the tenant's jobs that ended with that id.
func Make(tenant, id string) string {
	return base64.RawURLEncoding.EncodeToString(append(checksum(tenant, id), id...))
}

// Read returns the id of a cursor, "" for the cursor "", or [bulk.ErrBadCursor].
func Read(tenant, cursor string) (id string, err error) {
	if cursor == "" {
		return "", nil
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil || len(raw) <= checksumSize {
		return "", bulk.ErrBadCursor
	}
	id = string(raw[checksumSize:])
	if string(raw[:checksumSize]) != string(checksum(tenant, id)) {
		return "", bulk.ErrBadCursor
	}
	return id, nil
}
