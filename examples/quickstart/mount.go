package main

import (
	"net/http"

	"github.com/bulkops/bulkops/blob/memblob"
	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/httpapi"
	"github.com/bulkops/bulkops/jobs/memjobs"
	"github.com/bulkops/bulkops/store/memstore"
)

// mount serves bulk imports below /v1/bulk/ and returns the worker of their jobs.
func mount(mux *http.ServeMux, authorize func(*http.Request) (bulk.Principal, error)) (*bulk.Worker, error) {
	cfg := bulk.Config{Store: memstore.New(), Blobs: memblob.New(), Jobs: memjobs.New()}
	importer, err := bulk.NewImporter(cfg)
	if err != nil {
		return nil, err
	}
	handler, err := httpapi.New(httpapi.Config{Importer: importer, Authorize: authorize})
	if err != nil {
		return nil, err
	}
	mux.Handle("/v1/bulk/", handler)
	return bulk.NewWorker(cfg)
}
