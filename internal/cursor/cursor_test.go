package cursor

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/bulkops/bulkops/bulk"
)

func TestRead(t *testing.T) {
	good := Make("acme", "job_1")
	id, err := Read("acme", good)
	assert.NoError(t, err)
	assert.Equal(t, "job_1", id)
	id, err = Read("acme", "")
	assert.NoError(t, err)
	assert.Empty(t, id)
	for name, bad := range map[string]string{
		"of another tenant": Make("other", "job_1"),
		"of no id":          Make("acme", ""),
		"longer":            good + "A",
		"shorter":           good[:len(good)-1],
		"no base64":         "!" + good[1:],
		"short":             "x",
	} {
		_, err := Read("acme", bad)
		assert.ErrorIs(t, err, bulk.ErrBadCursor, name)
	}
}

// FuzzReadCursor checks that every cursor that is accepted is one that was made.
func FuzzReadCursor(f *testing.F) {
	f.Add("acme", Make("acme", "job_1"))
	f.Add("other", Make("acme", "job_1"))
	f.Add("", "AAAA")
	f.Fuzz(func(t *testing.T, tenant, text string) {
		id, err := Read(tenant, text)
		if err == nil && text != "" && Make(tenant, id) != text {
			t.Errorf("%q is read as %q, which has another cursor", text, id)
		}
	})
}
