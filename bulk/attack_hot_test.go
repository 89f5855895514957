package bulk_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/bulkops/bulkops/bulk"
)

// TestManyRowsOfOneUserWithTheStoreDown gives up on a request within the time that
// a caller waits, whatever its rows have in common.
func TestManyRowsOfOneUserWithTheStoreDown(t *testing.T) {
	for name, texts := range map[string]func(i int) string{
		"OneUser":   func(i int) string { return fmt.Sprintf(`{"userId":"x","customFields":{"n":%d}}`, i) },
		"ManyUsers": func(i int) string { return fmt.Sprintf(`{"userId":"x%d"}`, i) },
	} {
		for down, fail := range map[string]func(f *fixture){
			"Writes": func(f *fixture) { f.failWrites(func(bulk.Write) error { return errReset }) },
			"Lookups": func(f *fixture) {
				f.cfg.Store = &lookupStore{f.store, func([]bulk.Ref) error { return errReset }}
			},
		} {
			t.Run(name+down, func(t *testing.T) {
				bubble(t, func(t *testing.T, f *fixture) {
					fail(f)
					list := make([]string, 99)
					for i := range list {
						list[i] = texts(i)
					}
					start := time.Now()
					_, _, _, err := accept(f.importer(), t.Context(), bulk.Request{Principal: admin, Options: bulk.DefaultOptions(), Rows: rows(list...)})
					assert.ErrorIs(t, err, bulk.ErrUnavailable)
					assert.Less(t, time.Since(start), 20*time.Second)
				})
			})
		}
	}
}
