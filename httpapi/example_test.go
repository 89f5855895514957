package httpapi_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/bulkops/bulkops/blob/memblob"
	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/httpapi"
	"github.com/bulkops/bulkops/jobs/memjobs"
	"github.com/bulkops/bulkops/store/memstore"
)

// The API on the in-memory backends, behind a check of the caller that a service
// has already.
func Example() {
	importer, err := bulk.NewImporter(bulk.Config{Store: memstore.New(), Blobs: memblob.New(), Jobs: memjobs.New()})
	if err != nil {
		fmt.Println(err)
		return
	}
	handler, err := httpapi.New(httpapi.Config{
		Importer: importer,
		Authorize: func(r *http.Request) (bulk.Principal, error) {
			if r.Header.Get("Authorization") != "Bearer secret" {
				return bulk.Principal{}, fmt.Errorf("bad token")
			}
			return bulk.Principal{ID: "ana", Tenant: "acme", Role: bulk.RoleAdmin}, nil
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	mux.Handle("/v1/bulk/", handler)
	server := httptest.NewServer(mux)
	defer server.Close()

	post := func(token string) {
		body := strings.NewReader("userId,email,customFields.points:number\nu-1001,ana@example.com,9007199254740993\n")
		r, _ := http.NewRequest("POST", server.URL+"/v1/bulk/users?upsert=false", body)
		r.Header.Set("Content-Type", "text/csv")
		r.Header.Set("Authorization", "Bearer "+token)
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			fmt.Println(err)
			return
		}
		defer res.Body.Close()
		text, _ := io.ReadAll(res.Body)
		fmt.Printf("%s\n%s", res.Status, text)
	}
	post("guess")
	post("secret")
	http.DefaultClient.CloseIdleConnections()
	// Output:
	// 401 Unauthorized
	// {"success":false,"error":{"code":"UNAUTHENTICATED","message":"the request has no valid credentials"}}
	// 200 OK
	// {"success":true,"data":{"mode":"sync","totalRecords":1,"processedRecords":1,"summary":{"created":1,"updated":0,"unchanged":0,"skipped":0,"failed":0,"notProcessed":0},"results":[{"index":0,"line":2,"userId":"u-1001","email":"ana@example.com","status":"created"}]}}
}
