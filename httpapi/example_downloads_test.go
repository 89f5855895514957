package httpapi_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/bulkops/bulkops/blob/memblob"
	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/httpapi"
	"github.com/bulkops/bulkops/jobs/memjobs"
	"github.com/bulkops/bulkops/store/memstore"
)

// mountBehind mounts the API behind a middleware of the host, and the links beside it.
func mountBehind(mux *http.ServeMux, guard func(http.Handler) http.Handler, api *httpapi.Handler) {
	mux.Handle("/v1/bulk/", guard(api))
	mux.Handle("/v1/bulk/downloads/", api.Downloads())
}

// A host whose middleware refuses whatever has no session mounts the download links
// beside it: whoever has a link may download, and can do nothing else.
func ExampleHandler_Downloads() {
	cfg := bulk.Config{Store: memstore.New(), Blobs: memblob.New(), Jobs: memjobs.New()}
	importer, err := bulk.NewImporter(cfg)
	if err != nil {
		fmt.Println(err)
		return
	}
	api, err := httpapi.New(httpapi.Config{
		Importer: importer,
		Authorize: func(*http.Request) (bulk.Principal, error) {
			return bulk.Principal{ID: "ana", Tenant: "acme", Role: bulk.RoleAdmin}, nil
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	guard := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if _, err := r.Cookie("session"); err != nil {
				http.Redirect(w, r, "/login", http.StatusSeeOther)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
	mux := http.NewServeMux()
	mountBehind(mux, guard, api)

	for _, path := range []string{"/v1/bulk/jobs", "/v1/bulk/downloads/expired", "/v1/bulk/downloads/x/v1/bulk/jobs"} {
		rec := httptest.NewRecorder()
		mux.ServeHTTP(rec, httptest.NewRequest("GET", path, strings.NewReader("")))
		fmt.Println(rec.Code, path)
	}
	// Output:
	// 303 /v1/bulk/jobs
	// 403 /v1/bulk/downloads/expired
	// 404 /v1/bulk/downloads/x/v1/bulk/jobs
}
