// Package console is a page for administrators, who import users from a spreadsheet: an
// [http.Handler] that a host mounts beside the API of package httpapi.
//
//	page, err := console.New(console.Config{})
//	mux.Handle("/console/", page)
//
// The page is three files, an HTML, a CSS and a script, and asks nobody but the host. It does
// all its work through the API, so it can do no more than whoever uses it: what a caller may
// do is decided by [httpapi.Config.Authorize] as for any other client. The handler itself
// serves the same to everybody and knows no users; a host may guard it or not.
//
// # Signing in
//
// The page sends the cookies that the browser has for the host. A host that knows callers by
// a cookie should accept it with [FromPage] only: the header that the page sends is one that
// pages of other origins cannot. A host with bearer tokens in the browser names a script of
// its own, [Config.Script], which hands them to the page. The page keeps a token in memory
// alone.
//
// When the API answers 401, or leads elsewhere, the page says that the session has ended,
// keeps all that it has, and goes on once the user has signed in again.
//
// # What stays where
//
// The file is read in the browser, and its rows are in the memory of the tab and nowhere else
// but in requests to the API. The storage of the tab has what it takes to go on after a
// reload: ids of jobs, the digest and the name of the file, the names of its columns. The
// storage beyond the tab has which columns were mapped to which fields, by a hash of their
// names. Addresses of the page have ids of jobs. [docs/console.md] says more.
//
// [docs/console.md]: https://github.com/bulkops/bulkops/blob/main/docs/console.md
package console
