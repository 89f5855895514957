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
	store  bulk.Store
	blobs  bulk.BlobStore
	jobs   bulk.JobQueue
	mailer bulk.Mailer // nil if it sends no emails
	uses   []string    // what it uses, for people
}

// says notes what the backend uses.
func (b *backend) says(format string, args ...any) {
	b.uses = append(b.uses, fmt.Sprintf(format, args...))
}

// openBackend opens the backend that the command line names.
func openBackend(ctx context.Context, opts *options) (*backend, error) {
	switch opts.backend {
	case "memory":
		return memory(), nil
	case "aws":
		return openAWS(ctx, opts.aws)
	default:
		return nil, fmt.Errorf("there is no backend %q, only memory and aws", opts.backend)
	}
}

// memory keeps everything in this process, and until its end.
func memory() *backend {
	b := &backend{store: memstore.New(), blobs: memblob.New(), jobs: memjobs.New()}
	b.says("users, jobs, payloads and results in the memory of this process, until it ends")
	return b
}
