package client_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bulkops/bulkops/blob/memblob"
	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/httpapi"
	"github.com/bulkops/bulkops/httpapi/client"
	"github.com/bulkops/bulkops/jobs/memjobs"
	"github.com/bulkops/bulkops/store/memstore"
)

// An import of 200,000 rows in 20 parts over a network, as against the time that the
// service works on its jobs: what comes on top is the sending, and the waiting for
// the end of each job.
func BenchmarkImport(b *testing.B) {
	cfg := bulk.Config{Store: memstore.New(), Blobs: memblob.New(), Jobs: memjobs.New(), Logger: slog.New(slog.DiscardHandler)}
	importer, err := bulk.NewImporter(cfg)
	require.NoError(b, err)
	worker, err := bulk.NewWorker(cfg)
	require.NoError(b, err)
	handler, err := httpapi.New(httpapi.Config{Importer: importer, Authorize: authorize, LinkKey: bytes.Repeat([]byte("k"), httpapi.MinLinkKey)})
	require.NoError(b, err)
	server := httptest.NewServer(handler)
	defer server.Close()
	ctx, cancel := context.WithCancel(b.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = worker.Run(ctx) })
	defer running.Wait()
	defer cancel()
	transport := new(http.Transport)
	defer transport.CloseIdleConnections()
	c, err := client.New(client.Config{BaseURL: server.URL, Token: token, HTTPClient: &http.Client{Transport: transport}})
	require.NoError(b, err)
	text := table(200_000)
	var work time.Duration
	for b.Loop() {
		im, err := c.Import(b.Context(), client.CSV(strings.NewReader(text)), &client.Options{Progress: func(client.Progress) {}})
		require.NoError(b, err)
		require.Len(b, im.Parts, 20)
		for _, part := range im.Parts {
			work += part.Job.CompletedAt.Sub(part.Job.StartedAt)
		}
	}
	b.ReportMetric(float64(b.Elapsed())/float64(work), "time/work")
}
