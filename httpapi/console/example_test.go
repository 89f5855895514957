package console_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/bulkops/bulkops/blob/memblob"
	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/httpapi"
	"github.com/bulkops/bulkops/httpapi/console"
	"github.com/bulkops/bulkops/jobs/memjobs"
	"github.com/bulkops/bulkops/store/memstore"
)

// sessions stands for what a host knows of the cookies that it has given out.
var sessions = map[string]bulk.Principal{
	"c00kie": {ID: "ana", Tenant: "acme", Role: bulk.RoleAdmin},
}

// authorize knows callers by a cookie, if the page has sent it, and by what programs send.
func authorize(r *http.Request) (bulk.Principal, error) {
	cookie, err := r.Cookie("session")
	if err != nil || !console.FromPage(r) {
		return bulk.Principal{}, errors.New("no session")
	}
	caller, ok := sessions[cookie.Value]
	if !ok {
		return bulk.Principal{}, errors.New("the session has ended")
	}
	return caller, nil
}

// mountConsole mounts the API and the page for administrators beside it.
func mountConsole(mux *http.ServeMux, api http.Handler) error {
	page, err := console.New(console.Config{SignIn: "/login"})
	if err != nil {
		return err
	}
	mux.Handle("/v1/bulk/", api)
	mux.Handle("/console/", page)
	return nil
}

// A host that knows its users by a cookie.
func Example() {
	importer, err := bulk.NewImporter(bulk.Config{Store: memstore.New(), Blobs: memblob.New(), Jobs: memjobs.New()})
	if err != nil {
		fmt.Println(err)
		return
	}
	api, err := httpapi.New(httpapi.Config{Importer: importer, Authorize: authorize})
	if err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	if err := mountConsole(mux, api); err != nil {
		fmt.Println(err)
		return
	}

	get := func(path string, header http.Header) {
		r := httptest.NewRequest("GET", path, nil)
		r.Header = header
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		fmt.Println(path, w.Code, w.Header().Get("Content-Type"))
	}
	get("/console/", nil)
	// The cookie alone, as any page could make a browser send it, is not enough.
	get("/v1/bulk/jobs", http.Header{"Cookie": {"session=c00kie"}})
	get("/v1/bulk/jobs", http.Header{"Cookie": {"session=c00kie"}, console.Header: {console.HeaderValue}})
	// Output:
	// /console/ 200 text/html; charset=utf-8
	// /v1/bulk/jobs 401 application/json; charset=utf-8
	// /v1/bulk/jobs 200 application/json; charset=utf-8
}

// A host whose pages have bearer tokens hands them over in a script of its own. It serves the
// script itself:
//
//	globalThis.bulkopsToken = async (renew) => (await session.token({ fresh: renew })).value;
func ExampleConfig_script() {
	page, err := console.New(console.Config{API: "/api/v1/bulk/", Script: "/assets/bulkops-token.js"})
	if err != nil {
		fmt.Println(err)
		return
	}
	http.Handle("/admin/console/", page)
	// Output:
}
