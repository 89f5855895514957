// The program serves the API on the in-memory backends and runs its jobs. It is
// there to be measured: see the folder above.
package main

import (
	"context"
	"errors"
	"log"
	"net/http"

	"github.com/bulkops/bulkops/blob/memblob"
	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/httpapi"
	"github.com/bulkops/bulkops/jobs/memjobs"
	"github.com/bulkops/bulkops/store/memstore"
)

func main() {
	cfg := bulk.Config{Store: memstore.New(), Blobs: memblob.New(), Jobs: memjobs.New()}
	importer, err := bulk.NewImporter(cfg)
	if err != nil {
		log.Fatal(err)
	}
	worker, err := bulk.NewWorker(cfg)
	if err != nil {
		log.Fatal(err)
	}
	handler, err := httpapi.New(httpapi.Config{Importer: importer, Authorize: nobody})
	if err != nil {
		log.Fatal(err)
	}
	go worker.Run(context.Background())
	log.Fatal(http.ListenAndServe("127.0.0.1:8080", handler))
}

func nobody(*http.Request) (bulk.Principal, error) {
	return bulk.Principal{}, errors.New("this program lets nobody in")
}
