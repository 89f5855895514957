package infra

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/go-cmp/cmp"

	"github.com/bulkops/bulkops/blob/s3blob"
	"github.com/bulkops/bulkops/bulk"
)

// A write is a request that S3 asks s3:PutObject for.
type write struct {
	operation   string
	creates     bool // s3:ObjectCreationOperation
	ifNoneMatch bool // whether s3:if-none-match is there
}

// classify tells what S3 calls a request. Source: Amazon S3 User Guide, "Enforce
// conditional writes on Amazon S3 buckets".
func classify(r *http.Request) (w write, ok bool) {
	w.ifNoneMatch = r.Header.Get("If-None-Match") != ""
	query := r.URL.Query()
	switch {
	case r.Method == http.MethodPut && query.Has("partNumber"):
		w.operation = "UploadPart"
	case r.Method == http.MethodPut:
		w.operation, w.creates = "PutObject", true
	case r.Method == http.MethodPost && query.Has("uploads"):
		w.operation = "CreateMultipartUpload"
	case r.Method == http.MethodPost && query.Has("uploadId"):
		w.operation, w.creates = "CompleteMultipartUpload", true
	}
	return w, w.operation != ""
}

// denied evaluates the conditions of a statement that denies s3:PutObject: all have
// to be met.
func denied(conditions map[string]map[string]string, w write) bool {
	met := true
	for operator, keys := range conditions {
		for key, want := range keys {
			var got string
			switch operator + " " + key {
			case "Null s3:if-none-match":
				got = fmt.Sprint(!w.ifNoneMatch)
			case "Bool s3:ObjectCreationOperation":
				got = fmt.Sprint(w.creates)
			default:
				panic("what does " + operator + " of " + key + " mean?")
			}
			met = met && got == want
		}
	}
	return met
}

// sink is an S3 that takes everything, and keeps what it was asked to write.
type sink struct {
	mu     sync.Mutex
	writes []write
}

func (s *sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	got, ok := classify(r)
	if !ok {
		http.Error(w, "not a write", http.StatusNotImplemented)
		return
	}
	s.mu.Lock()
	s.writes = append(s.writes, got)
	s.mu.Unlock()
	w.Header().Set("ETag", `"1"`)
	switch got.operation {
	case "CreateMultipartUpload":
		fmt.Fprint(w, "<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>")
	case "CompleteMultipartUpload":
		fmt.Fprint(w, `<CompleteMultipartUploadResult><ETag>"1"</ETag></CompleteMultipartUploadResult>`)
	}
}

// The bucket takes each write of s3blob, small and in parts, and none that could
// replace a blob.
func TestPutOnce(t *testing.T) {
	conditions := map[string]map[string]string{}
	for _, s := range list(at(t, newStack(t, nil).resources()["BlobsPolicy"].properties, "PolicyDocument", "Statement")) {
		if s["Sid"] != "PutOnce" {
			continue
		}
		if s["Effect"] != "Deny" || s["Action"] != "s3:PutObject" || s["Principal"] != "*" || s["Resource"] != "Blobs.Arn/*" {
			t.Errorf("the statement is %v", s)
		}
		for operator, keys := range s["Condition"].(map[string]any) {
			conditions[operator] = map[string]string{}
			for key, v := range keys.(map[string]any) {
				conditions[operator][key] = v.(string)
			}
		}
	}
	others := map[string]map[string]string{}
	for _, s := range list(newConfiguration(t, nil).resources()["data.aws_iam_policy_document.blobs"].properties["statement"]) {
		if s["sid"] != "PutOnce" {
			continue
		}
		if s["effect"] != "Deny" || texts(s["actions"])[0] != "s3:PutObject" ||
			texts(list(s["principals"])[0]["identifiers"])[0] != "*" || texts(s["resources"])[0] != "aws_s3_bucket.blobs.arn/*" {
			t.Errorf("the statement is %v", s)
		}
		for _, c := range list(s["condition"]) {
			others[c["test"].(string)] = map[string]string{c["variable"].(string): texts(c["values"])[0]}
		}
	}
	if diff := cmp.Diff(conditions, others); diff != "" {
		t.Errorf("CloudFormation has (-), and Terraform (+):\n%s", diff)
	}

	var s sink
	server := httptest.NewServer(&s)
	defer server.Close()
	cfg := aws.Config{Region: "eu-central-1", Credentials: credentials.NewStaticCredentialsProvider("key", "secret", "")}
	client := s3blob.NewClient(cfg, func(o *s3.Options) { o.BaseEndpoint, o.UsePathStyle = &server.URL, true })
	blobs, err := s3blob.New(client, s3blob.Options{Bucket: "b"})
	if err != nil {
		t.Fatal(err)
	}
	for key, size := range map[string]int{"small": 10, "large": 2*s3blob.MinPartSize + 1} {
		if err := blobs.Put(t.Context(), key, bytes.NewReader(make([]byte, size)), bulk.BlobInfo{}); err != nil {
			t.Fatal(err)
		}
	}
	seen := map[string]bool{}
	for _, w := range s.writes {
		seen[w.operation] = true
		if denied(conditions, w) {
			t.Errorf("%+v is denied", w)
		}
		if w.ifNoneMatch = false; denied(conditions, w) != w.creates {
			t.Errorf("%+v: denied is %t", w, !w.creates)
		}
	}
	want := []string{"CompleteMultipartUpload", "CreateMultipartUpload", "PutObject", "UploadPart"}
	if got := sorted(seen); strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("s3blob writes by %v, want %v", got, want)
	}
}
