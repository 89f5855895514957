package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"

	"github.com/bulkops/bulkops/blob/s3blob"
	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/httpapi/webhook"
	"github.com/bulkops/bulkops/jobs/dynamojobs"
	"github.com/bulkops/bulkops/jobs/sqsjobs"
	"github.com/bulkops/bulkops/store/dynamostore"
)

// settings are what the environment says.
type settings struct {
	role        string // BULKOPS_ROLE: worker or api
	usersTable  string // BULKOPS_USERS_TABLE
	claimsTable string // BULKOPS_CLAIMS_TABLE
	jobsTable   string // BULKOPS_JOBS_TABLE
	bucket      string // BULKOPS_BUCKET
	queueURL    string // BULKOPS_QUEUE_URL: the doorbell

	// BULKOPS_WEBHOOK_URL is told of the end of each job, with messages signed by
	// BULKOPS_WEBHOOK_SECRET; nobody is without it.
	webhookURL, webhookSecret string

	// BULKOPS_TOKENS has the callers of the api, by the SHA-256 of their bearer tokens
	// in hexadecimal digits. A host has users and tokens of its own, and asks those.
	tokens map[string]bulk.Principal
	// BULKOPS_BUFFERED=true is for API Gateway, and for a function URL whose invoke
	// mode is BUFFERED. Otherwise it is RESPONSE_STREAM, in which results may be
	// larger than 6 MB.
	buffered bool

	// BULKOPS_STOP_GRACE is how long before its deadline the worker stops, 20s
	// without it, and BULKOPS_LEASE how long a job waits whose worker was killed.
	stopGrace time.Duration
	lease     time.Duration
	// BULKOPS_PARALLEL is how many calls to DynamoDB a job has at once; see
	// [bulk.Config.Parallel].
	parallel int
}

func readSettings(getenv func(string) string) (*settings, error) {
	s := &settings{
		role:        getenv("BULKOPS_ROLE"),
		usersTable:  cmp.Or(getenv("BULKOPS_USERS_TABLE"), "bulkops-users"),
		claimsTable: cmp.Or(getenv("BULKOPS_CLAIMS_TABLE"), "bulkops-claims"),
		jobsTable:   cmp.Or(getenv("BULKOPS_JOBS_TABLE"), "bulkops-jobs"),
		bucket:      getenv("BULKOPS_BUCKET"),
		queueURL:    getenv("BULKOPS_QUEUE_URL"),
		buffered:    getenv("BULKOPS_BUFFERED") == "true",

		webhookURL:    getenv("BULKOPS_WEBHOOK_URL"),
		webhookSecret: getenv("BULKOPS_WEBHOOK_SECRET"),
	}
	for name, into := range map[string]*time.Duration{"BULKOPS_STOP_GRACE": &s.stopGrace, "BULKOPS_LEASE": &s.lease} {
		var err error
		if *into, err = time.ParseDuration(cmp.Or(getenv(name), "0s")); err != nil {
			return nil, fmt.Errorf("%s is no duration: %w", name, err)
		}
	}
	var err error
	if s.parallel, err = strconv.Atoi(cmp.Or(getenv("BULKOPS_PARALLEL"), "0")); err != nil {
		return nil, fmt.Errorf("BULKOPS_PARALLEL is no number: %w", err)
	}
	s.stopGrace = cmp.Or(s.stopGrace, 20*time.Second)
	if text := getenv("BULKOPS_TOKENS"); text != "" {
		if err := json.Unmarshal([]byte(text), &s.tokens); err != nil {
			return nil, fmt.Errorf(`BULKOPS_TOKENS is not like {"9f86d0…":{"Role":"admin","Tenant":"acme","ID":"ana"}}: %w`, err)
		}
	}
	return s, nil
}

// backends opens users and jobs in DynamoDB, blobs in S3, and the doorbell. Region
// and credentials are those of the function's role.
func (s *settings) backends(ctx context.Context) (bulk.Config, *sqsjobs.Queue, error) {
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return bulk.Config{}, nil, err
	}
	store, err := dynamostore.New(dynamostore.NewClient(cfg), dynamostore.Options{UsersTable: s.usersTable, ClaimsTable: s.claimsTable})
	if err != nil {
		return bulk.Config{}, nil, err
	}
	blobs, err := s3blob.New(s3blob.NewClient(cfg), s3blob.Options{Bucket: s.bucket})
	if err != nil {
		return bulk.Config{}, nil, err
	}
	jobs, err := dynamojobs.New(dynamojobs.NewClient(cfg), dynamojobs.Options{Table: s.jobsTable})
	if err != nil {
		return bulk.Config{}, nil, err
	}
	doorbell, err := sqsjobs.New(jobs, sqsjobs.NewClient(cfg), sqsjobs.Options{QueueURL: s.queueURL})
	if err != nil {
		return bulk.Config{}, nil, err
	}
	notifier, err := s.notifier()
	if err != nil {
		return bulk.Config{}, nil, err
	}
	return bulk.Config{
		Store: store, Blobs: blobs, Jobs: doorbell, Notifier: notifier,
		Parallel: s.parallel, StopGrace: s.stopGrace, Lease: s.lease,
	}, doorbell, nil
}

// notifier returns who tells the webhook of the ends of jobs, nil if there is none.
func (s *settings) notifier() (bulk.Notifier, error) {
	if s.webhookURL == "" {
		return nil, nil
	}
	endpoint := webhook.Endpoint{URL: s.webhookURL, Secrets: []string{s.webhookSecret}}
	return webhook.New(webhook.Config{Endpoint: func(context.Context, *bulk.Job) (webhook.Endpoint, error) {
		return endpoint, nil // a host has one for each tenant
	}})
}
