package dynamojobs

import (
	"errors"
	"strings"
	"testing"

	"github.com/bulkops/bulkops/bulk"
)

func TestCursor(t *testing.T) {
	cursor := makeCursor("a", "job_1")
	if id, err := readCursor("a", cursor); err != nil || id != "job_1" {
		t.Errorf("read %q, %v", id, err)
	}
	for name, bad := range map[string]string{
		"of another tenant": makeCursor("b", "job_1"),
		"cut":               cursor[:len(cursor)-1],
		"of no id":          makeCursor("a", ""),
		"of too long an id": makeCursor("a", strings.Repeat("x", MaxJobID+1)),
		"not base64":        "%%%",
	} {
		if id, err := readCursor("a", bad); !errors.Is(err, bulk.ErrBadCursor) {
			t.Errorf("cursor %s: read %q, %v", name, id, err)
		}
	}
}

func FuzzReadCursor(f *testing.F) {
	f.Add("a", makeCursor("a", "job_1"))
	f.Add("a", "x")
	f.Fuzz(func(t *testing.T, tenant, cursor string) {
		id, err := readCursor(tenant, cursor)
		if err == nil && cursor != "" && makeCursor(tenant, id) != cursor {
			t.Errorf("%q is read as %q, which has another cursor", cursor, id)
		}
	})
}
