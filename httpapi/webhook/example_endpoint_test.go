package webhook_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/httpapi/webhook"
)

// tellTenants returns what tells each tenant of the end of its jobs.
func tellTenants(endpoints func(ctx context.Context, tenant string) (webhook.Endpoint, error)) (*webhook.Notifier, error) {
	return webhook.New(webhook.Config{Endpoint: func(ctx context.Context, job *bulk.Job) (webhook.Endpoint, error) {
		return endpoints(ctx, job.Tenant) // an Endpoint without a URL: this tenant is not told
	}})
}

// Tenants choose where they are told. None can choose a server of the host's own network.
func ExampleNew() {
	notifier, err := tellTenants(func(_ context.Context, tenant string) (webhook.Endpoint, error) {
		if tenant == "quiet" {
			return webhook.Endpoint{}, nil
		}
		return webhook.Endpoint{URL: "https://127.0.0.1:8443/internal", Secrets: []string{webhook.NewSecret()}}, nil
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	err = notifier.NotifyEnded(ctx, &bulk.Job{JobSpec: bulk.JobSpec{ID: "job_1", Tenant: "acme"}, Status: bulk.JobCompleted})
	fmt.Println(err != nil, errors.Is(err, webhook.ErrGone), bulk.Retryable(err))
	fmt.Println(notifier.NotifyEnded(ctx, &bulk.Job{JobSpec: bulk.JobSpec{ID: "job_2", Tenant: "quiet"}, Status: bulk.JobCompleted}))
	// Output:
	// true false true
	// <nil>
}
