package bulk

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

var testTime = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func TestEscapeKey(t *testing.T) {
	for text, want := range map[string]string{
		"":         "t",
		"acme":     "tacme",
		"Acme-01":  "tAcme-01",
		"a_b":      "ta_5fb",
		"../x":     "t_2e_2e_2fx",
		"a b/é":    "ta_20b_2f_c3_a9",
		"\x00\xff": "t_00_ff",
	} {
		assert.Equal(t, want, escapeKey(text))
	}
}

// blobKey is what [BlobStore] says of keys.
var blobKey = regexp.MustCompile(`^[A-Za-z0-9_-][A-Za-z0-9_.-]*(/[A-Za-z0-9_-][A-Za-z0-9_.-]*)*$`)

func TestKeysAreAllowedAndDifferent(t *testing.T) {
	seen := map[string]bool{}
	for _, tenant := range []string{"", "a", "a/b", "a_2fb", ".", strings.Repeat("é", MaxTenant/2)} {
		for _, id := range []string{newID("job_", testTime), newID("job_", testTime)} {
			job := &Job{JobSpec: JobSpec{ID: id, Tenant: tenant}}
			for _, key := range []string{
				payloadKey(tenant, id), segmentKey(job, 0, 1), segmentKey(job, 0, 2), segmentKey(job, 1_000_000, 1),
				mailedKey(job, 0, 1), chunkKey(blobFolder(tenant, id), 0), chunkKey(blobFolder(tenant, id), 1_000_000), resultsKey(job, 0), resultsKey(job, 1<<62),
			} {
				assert.Regexp(t, blobKey, key)
				assert.LessOrEqual(t, len(key), 900)
				assert.True(t, strings.HasPrefix(key, blobFolder(tenant, id)), key)
				assert.False(t, seen[key], key)
				for folder := key; strings.Contains(folder, "/"); {
					folder = folder[:strings.LastIndexByte(folder, '/')]
					assert.False(t, seen[folder], "%s is the folder of %s", folder, key)
				}
				seen[key] = true
			}
		}
	}
}

func FuzzEscapeKey(f *testing.F) {
	f.Add("a_b", "a_5fb")
	f.Add("", "t")
	f.Fuzz(func(t *testing.T, a, b string) {
		if (escapeKey(a) == escapeKey(b)) != (a == b) {
			t.Fatalf("%q and %q have the keys %s and %s", a, b, escapeKey(a), escapeKey(b))
		}
		if !blobKey.MatchString(escapeKey(a)) {
			t.Fatalf("%q has the key %s", a, escapeKey(a))
		}
	})
}
