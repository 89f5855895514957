package bulk

import (
	"strings"
	"unicode/utf8"

	"github.com/bulkops/bulkops/internal/canon"
)

// Limits of a user.
const (
	// MaxUserID is the length of a user id in Unicode code points.
	MaxUserID = 256
	// MaxEmail is the length of an email address in Unicode code points: 64 for
	// the local part, the at sign and 255 for the domain. Source: RFC 5321,
	// 4.5.3.1.
	MaxEmail = 320
	// MaxItem is the size of a DynamoDB item in bytes, names included. Source:
	// DynamoDB developer guide, "Quotas".
	MaxItem = 400 << 10
	// storeReserve is the part of [MaxItem] that is left to a store's own
	// attributes: keys, version, [MaxMark] and the names of all of them.
	storeReserve = 8 << 10
	// MaxUser is the size of a user in bytes, as [User.Size] counts it.
	MaxUser = MaxItem - storeReserve
)

// A User is what the library knows of a user. A store may keep more with it,
// which is never touched.
type User struct {
	// ID names the user within its tenant: 1 to 256 code points of valid UTF-8,
	// compared byte by byte, without control characters and without white space at
	// either end.
	ID string `json:"userId,omitempty"`
	// Email is the address as it was given, or "" for none: up to 320 code points of
	// valid UTF-8 without white space and control characters. Two users of a tenant
	// never have addresses of the same [EmailKey].
	Email string `json:"email,omitempty"`
	// CustomFields and Metadata belong to the host.
	CustomFields Fields `json:"customFields,omitzero"`
	Metadata     Fields `json:"metadata,omitzero"`
}

// Size returns how many bytes of a DynamoDB item the user takes, by the rules of
// the DynamoDB developer guide ("Item sizes and formats"), or a little more. Every
// store refuses a user above [MaxUser], so that what one store takes, all take.
func (u User) Size() int {
	return len(u.ID) + 2*len(u.Email) + u.CustomFields.size() + u.Metadata.size()
}

// Fits reports whether the user is within [MaxUser]. Its size is counted only if it
// could come near that.
func (u User) Fits() bool {
	length := len(u.ID) + len(u.Email) + len(u.CustomFields.text) + len(u.Metadata.text)
	return canon.MaxSize(length) < MaxUser-64 || u.Size() <= MaxUser
}

// EmailKey returns what emails are compared by: the address with ASCII letters
// lower-cased. Only ASCII is folded: folding more (the Kelvin sign, a dotted İ)
// would merge the addresses of different people.
func EmailKey(email string) string {
	if isKey(email) {
		return email
	}
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, email)
}

// isKey reports whether an email is its own key, for being ASCII without capitals as
// nearly all are.
func isKey(email string) bool {
	for i := range len(email) {
		if c := email[i]; c >= utf8.RuneSelf || 'A' <= c && c <= 'Z' {
			return false
		}
	}
	return true
}
