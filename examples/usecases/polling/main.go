// Command polling follows a job to its end and gets its results, while its download
// link works and after that. docs/usecases/polling.md explains it.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"time"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/examples/usecases/internal/demo"
	"github.com/bulkops/bulkops/httpapi/client"
)

func main() {
	if err := demo.Main(run, os.Stdout); err != nil {
		log.Fatal("polling: ", err)
	}
}

func run(ctx context.Context, service *demo.Service, out io.Writer) error {
	c, err := service.Client()
	if err != nil {
		return err
	}
	id, err := begin(ctx, c)
	if err != nil {
		return err
	}
	job, err := follow(ctx, c, id, out)
	if err != nil {
		return err
	}
	if err := count(ctx, c, id, out); err != nil {
		return err
	}

	// Somebody opens the link too late.
	time.Sleep(time.Until(job.DownloadURLExpiresAt))
	_, err = download(ctx, service.HTTPClient(), job.DownloadURL)
	fmt.Fprintf(out, "the link, once it has ended: %v\n", err)
	if job, err = c.Job(ctx, id); err != nil { // each state of a job has a fresh one
		return err
	}
	n, err := download(ctx, service.HTTPClient(), job.DownloadURL)
	fmt.Fprintf(out, "a fresh link: %d results, %v\n", n, err)
	return err
}

// begin makes a job. Its id is all that is needed from here on, by any process.
func begin(ctx context.Context, c *client.Client) (id string, err error) {
	users := make([]bulk.User, 5000)
	for i := range users {
		users[i].Email = fmt.Sprintf("user%d@example.com", i)
	}
	submitted, err := c.Submit(ctx, client.Users(users), nil)
	if err != nil {
		return "", err
	}
	return submitted.Parts[0].Job.ID, nil
}

// follow waits for the job, for ten minutes at most. The client asks as often as
// the service says in Retry-After, and not more often.
func follow(ctx context.Context, c *client.Client, id string, out io.Writer) (*client.Job, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	job, err := c.Wait(ctx, id, func(job client.Job) {
		fmt.Fprintf(out, "%s: %d %%, %d of %d\n", job.Status, job.Progress, job.ProcessedRecords, job.TotalRecords)
	})
	if err != nil {
		return nil, err // the job goes on: wait again
	}
	return job, job.Err() // not nil if it failed or was cancelled
}

// count streams the results, one after the other. The client fetches a fresh link,
// takes a download that broke off up again, and tells nobody the token.
func count(ctx context.Context, c *client.Client, id string, out io.Writer) error {
	n := make(map[bulk.Status]int)
	for result, err := range c.Results(ctx, id) {
		if err != nil {
			return err
		}
		n[result.Status]++
	}
	fmt.Fprintf(out, "%d users were created\n", n[bulk.StatusCreated])
	return nil
}

// download gets a results file by its link, as a browser would: a bare GET.
func download(ctx context.Context, web *http.Client, link string) (results int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, link, nil)
	if err != nil {
		return 0, err
	}
	res, err := web.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("status %d", res.StatusCode)
	}
	var file struct {
		Results []bulk.RowResult `json:"results"`
	}
	err = json.NewDecoder(res.Body).Decode(&file)
	return len(file.Results), err
}
