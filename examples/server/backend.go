package main

import (
	"context"
	"fmt"

	"github.com/bulkops/bulkops/blob/memblob"
	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/jobs/memjobs"
	"github.com/bulkops/bulkops/store/memstore"
)

// A backend is where users, blobs and jobs are kept.
type backend struct {
	store bulk.Store
	blobs bulk.BlobStore
	jobs  bulk.JobQueue
}

// openBackend opens the backend of that name.
func openBackend(_ context.Context, name string) (*backend, error) {
	switch name {
	case "memory":
		return memory(), nil
	default:
		return nil, fmt.Errorf("there is no backend %q, only memory", name)
	}
}

// memory keeps everything in this process, and until its end.
func memory() *backend {
	return &backend{store: memstore.New(), blobs: memblob.New(), jobs: memjobs.New()}
}
