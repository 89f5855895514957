package memjobs

import "testing"

// FuzzReadCursor checks that every cursor that is accepted is one that was made.
func FuzzReadCursor(f *testing.F) {
	f.Add("acme", makeCursor("acme", "job_1"))
	f.Add("other", makeCursor("acme", "job_1"))
	f.Add("", "AAAA")
	f.Fuzz(func(t *testing.T, tenant, cursor string) {
		id, err := readCursor(tenant, cursor)
		if err == nil && cursor != "" && makeCursor(tenant, id) != cursor {
			t.Errorf("%q is read as %q, which has another cursor", cursor, id)
		}
	})
}
