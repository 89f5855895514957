package memblob_test

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/bulkops/bulkops/blob/memblob"
	"github.com/bulkops/bulkops/bulk"
)

func Example() {
	ctx := context.Background()
	blobs := memblob.New()
	if err := blobs.Put(ctx, "acme/job_1/results", strings.NewReader(`{"results":[]}`), bulk.BlobInfo{}); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(blobs.Put(ctx, "acme/job_1/results", strings.NewReader("other"), bulk.BlobInfo{}))

	r, err := blobs.Get(ctx, "acme/job_1/results")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer r.Close()
	content, err := io.ReadAll(r)
	fmt.Println(string(content), err)
	fmt.Println(blobs.Keys())
	// Output:
	// memblob: put "acme/job_1/results": bulk: blob exists
	// {"results":[]} <nil>
	// [acme/job_1/results]
}
