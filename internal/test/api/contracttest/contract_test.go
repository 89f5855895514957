package contracttest_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/bulkops/bulkops/blob/memblob"
	"github.com/bulkops/bulkops/internal/test/api/contracttest"
	"github.com/bulkops/bulkops/jobs/memjobs"
	"github.com/bulkops/bulkops/store/memstore"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestMemory(t *testing.T) {
	contracttest.Run(t, func(*testing.T) contracttest.Backends {
		return contracttest.Backends{Store: memstore.New(), Blobs: memblob.New(), Jobs: memjobs.New()}
	})
}
