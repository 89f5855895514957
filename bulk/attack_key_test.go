package bulk_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bulkops/bulkops/bulk"
)

// TestKeyOfUnavailableRequestStartsAnew repeats a request that was refused because
// the store was down.
func TestKeyOfUnavailableRequestStartsAnew(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.failWrites(func(bulk.Write) error { return errReset })
		send := func() (*bulk.Report, error) {
			report, _, _, err := accept(f.importer(), t.Context(), bulk.Request{Principal: admin, IdempotencyKey: "k", Options: bulk.DefaultOptions(),
				Rows: rows(`{"userId":"a","customFields":{"n":1}}`, `{"userId":"a","customFields":{"n":2}}`)})
			return report, err
		}
		_, err := send()
		require.ErrorIs(t, err, bulk.ErrUnavailable)
		f.store.heal()
		report, err := send()
		require.NoError(t, err)
		assert.Equal(t, []bulk.Status{bulk.StatusCreated, bulk.StatusUpdated}, statuses(report))
	})
}
