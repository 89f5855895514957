package bulk

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strconv"
	"time"
)

// newID returns the prefix and a UUIDv7 of now, so that ids sort by time: by the
// millisecond, and within it by 1/4096 of one. Source: RFC 9562, 5.7 and 6.2,
// method 3.
func newID(prefix string, now time.Time) string {
	var u [16]byte
	rand.Read(u[8:]) // never fails, see its documentation
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(now.UnixMilli()))
	copy(u[:6], ms[2:])
	fraction := now.Nanosecond() % int(time.Millisecond) << 12 / int(time.Millisecond)
	binary.BigEndian.PutUint16(u[6:], uint16(fraction))
	return prefix + uuidText(u, 7)
}

// generatedUserID returns the id of a user whose row gave none. It derives from
// the import and the row, so that repeating the row makes the same user and not
// a second one. It is a UUIDv8. Source: RFC 9562, 5.8.
func generatedUserID(run string, row int) string {
	sum := sha256.Sum256([]byte(run + "/" + strconv.Itoa(row)))
	return uuidText([16]byte(sum[:16]), 8)
}

// uuidText sets the version and the variant and formats the UUID.
func uuidText(u [16]byte, version byte) string {
	u[6] = u[6]&0x0f | version<<4
	u[8] = u[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
}
