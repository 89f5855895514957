package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/bulkops/bulkops/blob/memblob"
	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/httpapi"
	"github.com/bulkops/bulkops/httpapi/client"
	"github.com/bulkops/bulkops/jobs/memjobs"
	"github.com/bulkops/bulkops/store/memstore"
)

// startService serves the API on in-memory backends, and returns a client of it.
func startService() (c *client.Client, stop func()) {
	url, stop := startServer()
	c, err := client.New(client.Config{BaseURL: url, Token: token})
	if err != nil {
		panic(err)
	}
	return c, stop
}

// startServer serves the API on in-memory backends, and returns its URL.
func startServer() (url string, stop func()) {
	cfg := bulk.Config{Store: memstore.New(), Blobs: memblob.New(), Jobs: memjobs.New(), Logger: slog.New(slog.DiscardHandler)}
	importer, err := bulk.NewImporter(cfg)
	if err != nil {
		panic(err)
	}
	handler, err := httpapi.New(httpapi.Config{Importer: importer, Authorize: authorize, RetryAfter: time.Second})
	if err != nil {
		panic(err)
	}
	worker, err := bulk.NewWorker(cfg)
	if err != nil {
		panic(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		_ = worker.Run(ctx)
	}()
	server := httptest.NewServer(handler)
	return server.URL, func() {
		cancel()
		<-stopped
		server.Close()
	}
}

// Users of Go: below 100 the service answers at once.
func ExampleClient_Import() {
	c, stop := startService()
	defer stop()
	ctx := context.Background()

	fields, err := bulk.NewFields(map[string]any{"team": "Lakers", "points": json.Number("9007199254740993")})
	if err != nil {
		fmt.Println(err)
		return
	}
	imported, err := c.Import(ctx, client.Users([]bulk.User{
		{ID: "u-1", Email: "ana@example.com", CustomFields: fields},
		{ID: "u-2", Email: "not-an-email"},
	}), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%+v\n", imported.Summary())
	for result, err := range imported.Failed(ctx) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(result.Index, result.UserID, result.Errors[0].Code)
	}
	// Output:
	// {Created:1 Updated:0 Unchanged:0 Skipped:0 Failed:1 NotProcessed:0}
	// 1 u-2 INVALID_EMAIL
}

// A CSV text of any length: it is sent in as many requests as it takes, and
// results have the lines of the whole.
func ExampleCSV() {
	c, stop := startService()
	defer stop()
	ctx := context.Background()

	const table = "userId,email,customFields.note\n" +
		"u-1,ana@example.com,\"two\nlines\"\n" +
		"u-2,nowhere,\n"
	imported, err := c.Import(ctx, client.CSV(strings.NewReader(table)), &client.Options{
		Import:         &bulk.Options{SkipDuplicates: true},
		IdempotencyKey: "export-2026-11-23", // run again, nothing is done twice
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for result, err := range imported.Results(ctx) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println("line", result.Line, result.Status)
	}
	// Output:
	// line 2 created
	// line 4 failed
}

// A job is followed by its id, by any process.
func ExampleClient_Wait() {
	c, stop := startService()
	defer stop()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()

	submitted, err := c.Submit(ctx, client.Users([]bulk.User{{Email: "ana@example.com"}}), &client.Options{Async: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	job, err := c.Wait(ctx, submitted.Parts[0].Job.ID, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(job.Status, job.Summary.Created)
	for result, err := range c.Results(ctx, job.ID) {
		fmt.Println(result.Index, result.Email, result.Status, err)
	}
	// Output:
	// completed 1
	// 0 ana@example.com created <nil>
}

// Errors are told apart by what they are, and not by their text.
func ExampleError() {
	c, stop := startService()
	defer stop()

	_, err := c.Job(context.Background(), "job_none")
	var answer *client.Error
	if errors.As(err, &answer) {
		fmt.Println(answer.Status == http.StatusNotFound, answer.Code)
	}
	fmt.Println(errors.Is(err, bulk.ErrJobNotFound))
	// Output:
	// true JOB_NOT_FOUND
	// true
}

// The newest jobs; further pages are fetched as they are needed.
func ExampleClient_Jobs() {
	c, stop := startService()
	defer stop()
	ctx := context.Background()

	for _, email := range []string{"ana@example.com", "bob@example.com"} {
		if _, err := c.Import(ctx, client.Users([]bulk.User{{Email: email}}), &client.Options{Async: true}); err != nil {
			fmt.Println(err)
			return
		}
	}
	for job, err := range c.Jobs(ctx, client.JobFilter{Status: bulk.JobCompleted, PageSize: 1}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(job.Status, job.TotalRecords, job.CreatedBy)
	}
	// Output:
	// completed 1 ana
	// completed 1 ana
}

// The rows of a file that were not imported, to be mended and imported in their turn.
func ExampleImport_WriteRest() {
	c, stop := startService()
	defer stop()
	ctx := context.Background()

	const file = "Member No.;Mail;Note\nu-1;ana@example.com;\nu-2;bob.example.com;+1 555 0100\n"
	format := client.CSVFormat{Rename: map[string]string{"Member No.": "userId", "Mail": "email", "Note": ""}}
	imported, err := c.Import(ctx, format.Source(strings.NewReader(file)), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	var left strings.Builder
	if err := imported.WriteRest(ctx, &left, strings.NewReader(file), format, nil); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(strings.TrimPrefix(left.String(), "\ufeff")) // its byte order mark

	// Output:
	// _index;_line;_status;_errors;Member No.;Mail;Note
	// 1;3;failed;"INVALID_EMAIL: email must be an address like name@example.com without spaces or control characters, at most 320 characters";u-2;bob.example.com;'+1 555 0100
}
