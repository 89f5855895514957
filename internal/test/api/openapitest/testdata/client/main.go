// Command client does the main job with a client that oapi-codegen generated
// from the OpenAPI document: it sends 150 users, waits for their job, downloads
// the results and counts them. See .ci/property, which makes package api.
//
//	client URL TOKEN
package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path"
	"strings"
	"time"

	"client/api"
)

const users = 150

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := run(ctx, os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "client:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, url, token string) error {
	client, err := api.NewClientWithResponses(url, api.WithRequestEditorFn(func(_ context.Context, r *http.Request) error {
		r.Header.Set("Authorization", "Bearer "+token)
		return nil
	}))
	if err != nil {
		return err
	}
	id, err := submit(ctx, client)
	if err != nil {
		return err
	}
	job, err := wait(ctx, client, id)
	if err != nil {
		return err
	}
	if job.Status != api.JobStatusCompleted || job.Summary.Created != users || job.DownloadUrl == nil {
		return fmt.Errorf("the job ended as %+v", job)
	}
	if err := download(ctx, url, id, *job.DownloadUrl); err != nil {
		return err
	}
	if err := results(ctx, client, id); err != nil {
		return err
	}
	if err := refusals(ctx, client, id); err != nil {
		return err
	}
	fmt.Printf("%d users created by job %s, %d results downloaded\n", job.Summary.Created, id, users)
	return nil
}

// submit sends the users, once more with the same key, and as CSV.
func submit(ctx context.Context, client *api.ClientWithResponses) (id string, err error) {
	var body api.ImportRequest
	for i := range users {
		email := fmt.Sprintf("user%d@example.com", i)
		body.Users = append(body.Users, api.User{Email: &email, CustomFields: &api.Fields{"team": "Lakers", "number": i}})
	}
	upsert := false
	body.Options = &api.Options{Upsert: &upsert}
	key := "the main job"
	for range 2 {
		answer, err := client.ImportUsersWithResponse(ctx, &api.ImportUsersParams{IdempotencyKey: &key}, body)
		if err != nil {
			return "", err
		}
		if answer.JSON202 == nil {
			return "", fmt.Errorf("submit: %s %s", answer.Status(), answer.Body)
		}
		if job := answer.JSON202.Data; id == "" {
			id = job.JobId
		} else if id != job.JobId {
			return "", errors.New("one key made two jobs")
		}
	}
	dryRun := true
	table := strings.NewReader("userId,customFields.number:number\r\nu-1,1\r\nu-2,two\r\n")
	answer, err := client.ImportUsersWithBodyWithResponse(ctx, &api.ImportUsersParams{DryRun: &dryRun}, "text/csv", table)
	if err != nil {
		return "", err
	}
	if answer.JSON200 == nil || answer.JSON200.Data.Summary.Created != 1 || answer.JSON200.Data.Summary.Failed != 1 {
		return "", fmt.Errorf("dry run of a CSV: %s %s", answer.Status(), answer.Body)
	}
	return id, nil
}

// wait asks for the job until it has ended.
func wait(ctx context.Context, client *api.ClientWithResponses, id string) (*api.Job, error) {
	for {
		answer, err := client.GetJobWithResponse(ctx, id, nil)
		if err != nil {
			return nil, err
		}
		if answer.JSON200 == nil {
			return nil, fmt.Errorf("status: %s %s", answer.Status(), answer.Body)
		}
		if answer.Headers200.RetryAfter == nil {
			return &answer.JSON200.Data, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(time.Duration(*answer.Headers200.RetryAfter) * time.Second):
		}
	}
}

// download follows the link without credentials.
func download(ctx context.Context, url, id, link string) error {
	anonymous, err := api.NewClientWithResponses(url)
	if err != nil {
		return err
	}
	answer, err := anonymous.DownloadResultsWithResponse(ctx, path.Base(link))
	if err != nil {
		return err
	}
	if answer.JSON200 == nil || answer.JSON200.JobId != id {
		return fmt.Errorf("download: %s %s", answer.Status(), answer.Body)
	}
	return check(answer.JSON200)
}

func results(ctx context.Context, client *api.ClientWithResponses, id string) error {
	answer, err := client.GetJobResultsWithResponse(ctx, id, &api.GetJobResultsParams{})
	if err != nil {
		return err
	}
	if answer.JSON200 == nil {
		return fmt.Errorf("results: %s %s", answer.Status(), answer.Body)
	}
	return check(answer.JSON200)
}

func check(file *api.ResultsFile) error {
	if len(file.Results) != users {
		return fmt.Errorf("%d results of %d users", len(file.Results), users)
	}
	for i, result := range file.Results {
		if result.Index != i || result.Status != api.RowStatusCreated || result.UserId == nil {
			return fmt.Errorf("result %d is %+v", i, result)
		}
	}
	return nil
}

// refusals checks that errors come typed.
func refusals(ctx context.Context, client *api.ClientWithResponses, id string) error {
	cancelled, err := client.CancelJobWithResponse(ctx, id)
	if err != nil {
		return err
	}
	if cancelled.JSON409 == nil || cancelled.JSON409.Error.Code != api.ErrorCodeJOBENDED {
		return fmt.Errorf("cancel: %s %s", cancelled.Status(), cancelled.Body)
	}
	empty, err := client.ImportUsersWithResponse(ctx, nil, api.ImportRequest{Users: []api.User{}})
	if err != nil {
		return err
	}
	if empty.JSON400 == nil || empty.JSON400.Error.Code != api.ErrorCodeEMPTYUSERS {
		return fmt.Errorf("no users: %s %s", empty.Status(), empty.Body)
	}
	limit := 100
	list, err := client.ListJobsWithResponse(ctx, &api.ListJobsParams{Limit: &limit})
	if err != nil {
		return err
	}
	if list.JSON200 == nil || len(list.JSON200.Data.Jobs) == 0 {
		return fmt.Errorf("list: %s %s", list.Status(), list.Body)
	}
	return nil
}
