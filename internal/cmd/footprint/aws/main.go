// The program serves the API on AWS and runs its jobs. It is there to be measured:
// see the folder above.
package main

import (
	"context"
	"errors"
	"log"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"

	"github.com/bulkops/bulkops/blob/s3blob"
	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/bulk/sesmail"
	"github.com/bulkops/bulkops/httpapi"
	"github.com/bulkops/bulkops/jobs/dynamojobs"
	"github.com/bulkops/bulkops/store/dynamostore"
)

func main() {
	cfg, err := open(context.Background())
	if err != nil {
		log.Fatal(err)
	}
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

func open(ctx context.Context) (bulk.Config, error) {
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return bulk.Config{}, err
	}
	users, err1 := dynamostore.New(dynamostore.NewClient(cfg), dynamostore.Options{UsersTable: "users", ClaimsTable: "claims"})
	blobs, err2 := s3blob.New(s3blob.NewClient(cfg), s3blob.Options{Bucket: "blobs"})
	jobs, err3 := dynamojobs.New(dynamojobs.NewClient(cfg), dynamojobs.Options{Table: "jobs"})
	mailer, err4 := sesmail.New(sesv2.NewFromConfig(cfg), sesmail.Options{From: "welcome@example.com", Template: "welcome"})
	return bulk.Config{Store: users, Blobs: blobs, Jobs: jobs, Mailer: mailer}, errors.Join(err1, err2, err3, err4)
}

func nobody(*http.Request) (bulk.Principal, error) {
	return bulk.Principal{}, errors.New("this program lets nobody in")
}
