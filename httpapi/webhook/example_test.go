package webhook_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/bulkops/bulkops/blob/memblob"
	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/httpapi/webhook"
	"github.com/bulkops/bulkops/jobs/memjobs"
	"github.com/bulkops/bulkops/store/memstore"
)

func Example() {
	// A tenant's receiver. A real one verifies the signature, with the library that
	// the specification has for its language.
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Println(strings.HasSuffix(r.Header.Get("webhook-id"), "_ended"), strings.HasPrefix(r.Header.Get("webhook-signature"), "v1,"))
		fmt.Println(strings.Contains(string(body), `"status":"completed"`))
	}))
	defer receiver.Close()

	endpoints := map[string]webhook.Endpoint{
		"acme": {URL: receiver.URL, Secrets: []string{webhook.NewSecret()}},
	}
	notifier, err := webhook.New(webhook.Config{
		Endpoint: func(_ context.Context, job *bulk.Job) (webhook.Endpoint, error) {
			return endpoints[job.Tenant], nil // of other tenants nobody is told
		},
		// For this example alone: the receiver is on this machine and has no TLS.
		Transport: http.DefaultTransport, AllowHTTP: true,
	})
	if err != nil {
		fmt.Println(err)
		return
	}

	cfg := bulk.Config{
		Store: memstore.New(), Blobs: memblob.New(), Jobs: memjobs.New(), Notifier: notifier, Logger: slog.New(slog.DiscardHandler),
	}
	importer, err := bulk.NewImporter(cfg)
	if err != nil {
		fmt.Println(err)
		return
	}
	worker, err := bulk.NewWorker(cfg)
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	job, err := importer.Submit(ctx, bulk.Request{
		Principal: bulk.Principal{ID: "ana", Tenant: "acme", Role: bulk.RoleAdmin},
		Rows:      bulk.Users(bulk.User{ID: "u-1001"}), Options: bulk.DefaultOptions(),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	// Worker.Run does both.
	fmt.Println(worker.RunJob(ctx, job.ID), worker.Notify(ctx, job.ID))
	// Output:
	// true true
	// true
	// <nil> <nil>
}
