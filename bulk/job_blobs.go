package bulk

import (
	"fmt"
	"strings"
)

// The blobs of a job are named TENANT/JOB/…, so that a tenant's or a job's can be
// found and removed by prefix.

// blobFolder returns the prefix of a job's blobs.
func blobFolder(tenant, job string) string {
	return escapeKey(tenant) + "/" + job + "/"
}

// escapeKey makes one segment of a blob key of any text. Letters, digits and
// hyphens stay; any other byte is an underscore and two hexadecimal digits. The
// leading t keeps the empty text a segment.
func escapeKey(s string) string {
	var b strings.Builder
	b.WriteByte('t')
	for _, c := range []byte(s) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-':
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "_%02x", c)
		}
	}
	return b.String()
}

func payloadKey(tenant, job string) string { return blobFolder(tenant, job) + "payload" }

// What a claim writes has its fencing token in the key: a worker that lost its
// lease writes where nobody looks.

func segmentKey(j *Job, segment int, token int64) string {
	return fmt.Sprintf("%ssegments/%06d-%d", blobFolder(j.Tenant, j.ID), segment, token)
}

// mailedKey is for the results of a segment with the outcomes of its emails.
func mailedKey(j *Job, segment int, token int64) string {
	return fmt.Sprintf("%smailed/%06d-%d", blobFolder(j.Tenant, j.ID), segment, token)
}

// chunkKey is for a chunk of the journal of a job or of a synchronous import. It has
// no token: that two workers cannot both put it is what keeps them apart.
func chunkKey(folder string, number int) string {
	return fmt.Sprintf("%sjournal/%06d", folder, number)
}

func resultsKey(j *Job, token int64) string {
	return fmt.Sprintf("%sresults-%d.json", blobFolder(j.Tenant, j.ID), token)
}
