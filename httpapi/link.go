package httpapi

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"strings"
	"time"
)

// links make and check the tokens of download links: the time at which the link
// ends and the id of the job, and a MAC of both. Whoever has a token may download
// the results of that job until then.
type links struct{ key []byte }

var errBadLink = errors.New("httpapi: link was altered or has expired")

// linkPurpose sets the tokens apart from whatever else the host may sign with the
// same key.
const linkPurpose = "bulkops download link v1\x00"

const (
	timeSize = 8 // milliseconds since 1970
	macSize  = sha256.Size
)

// encoding has one text for each token, so that no altered text is the same token.
var encoding = base64.RawURLEncoding.Strict()

// token returns a token for the results of a job. Times are of milliseconds.
func (l links) token(jobID string, expires time.Time) string {
	text := make([]byte, timeSize, timeSize+len(jobID)+macSize)
	binary.BigEndian.PutUint64(text, uint64(expires.UnixMilli()))
	text = append(text, jobID...)
	return encoding.EncodeToString(l.appendMAC(text, text))
}

// job returns the job of a token that is ours and has not expired.
func (l links) job(token string, now time.Time) (string, error) {
	text, err := encoding.DecodeString(token)
	// The decoder passes over line breaks, strict or not.
	if err != nil || strings.ContainsAny(token, "\r\n") || len(text) < timeSize+macSize {
		return "", errBadLink
	}
	signed, mac := text[:len(text)-macSize], text[len(text)-macSize:]
	if !hmac.Equal(mac, l.appendMAC(nil, signed)) {
		return "", errBadLink
	}
	if now.UnixMilli() >= int64(binary.BigEndian.Uint64(signed)) {
		return "", errBadLink
	}
	return string(signed[timeSize:]), nil
}

func (l links) appendMAC(dst, text []byte) []byte {
	mac := hmac.New(sha256.New, l.key)
	mac.Write([]byte(linkPurpose))
	mac.Write(text)
	return mac.Sum(dst)
}
