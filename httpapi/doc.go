// Package httpapi puts an HTTP API on a [bulk.Importer]:
//
//	POST /v1/bulk/users                  import users: JSON, NDJSON or CSV
//	GET  /v1/bulk/jobs                   list jobs
//	GET  /v1/bulk/jobs/{jobId}           status of a job
//	DELETE /v1/bulk/jobs/{jobId}         remove an ended job
//	GET  /v1/bulk/jobs/{jobId}/results   results of an ended job: JSON, NDJSON or CSV
//	POST /v1/bulk/jobs/{jobId}/cancel    cancel a job
//	POST /v1/bulk/jobs/{jobId}/retry     import rows of an ended job again
//	GET  /v1/bulk/downloads/{token}      the results file, for who has the link
//	GET  /v1/bulk/openapi.json           the OpenAPI document of all this, with the host's
//	                                     field rules in words as x-field-rules
//
// # Mounting
//
// A [Handler] can be mounted by any router that serves the paths below
// "/v1/bulk/", under any prefix, which it may strip or leave:
//
//	mux.Handle("/v1/bulk/", handler)
//	mux.Handle("/api/v1/bulk/", handler)
//	mux.Handle("/api/", http.StripPrefix("/api", handler))
//
// Its answers refer to other paths under the prefix that the caller used. Where a
// proxy in front of the server changes the prefix or the host, set
// [Config.BaseURL]. A path that has "/v1/bulk/" twice is not found. A middleware that
// authenticates by a query parameter has to remove it: unknown parameters are
// refused. One that refuses requests without credentials would refuse download links
// too, which are their own credential: mount [Handler.Downloads] beside it, and keep
// these paths out of its log.
//
// # Bounds
//
// What all requests under way hold in memory is bounded by [Config.MaxMemory]. It is
// counted as it grows: the rows that are kept, up to [bulk.Config.SyncThreshold] of
// them, with what is made of them; the buffers of decoders; and what the blob store
// takes for the payload of a job, see [bulk.PutBufferer]. There is no waiting: what
// does not fit is refused with 503 and Retry-After, and nothing of it was written. A
// tenant that was refused counts as waiting for twice [Config.RetryAfter]; meanwhile
// other tenants are held to equal shares, except for the one that waits longest.
//
// A body must not be silent for longer than [Config.BodyIdle] and has to be complete
// after [Config.BodyTimeout]; otherwise it is 408 REQUEST_TIMEOUT. Whoever is refused
// before the body has arrived is answered at once, and the connection is closed; the
// rest of the body is not read, but for what comes within a second, so that the
// answer arrives.
//
// A request that changes something and that a page of another origin made a browser
// send is 403 FORBIDDEN: see [Config.TrustedOrigins].
//
// # Answers
//
// Answers are {"success": true, "data": …} or {"success": false, "error": {"code",
// "message", "details"}} and are not to be cached. What the contract of the wire
// format leaves open is decided as follows:
//
//   - The path is looked at first (404, 405), then the origin (403), then the caller
//     (401, 403), then query, headers and body. A body is not read before the caller is known.
//   - A caller that no host should make, with a tenant or id that is too long or not
//     UTF-8, is 500 and an error in the log that names [Config.Authorize].
//   - A body without a Content-Type is 415.
//   - More than ten times the limit of users are not counted.
//   - A query parameter that is unknown, or that stands twice, is 400. Options as
//     query parameters belong to NDJSON and CSV; they are true or false.
//   - A null for users, options or an option is of the wrong type: 400.
//   - A body that is not JSON is INVALID_JSON even if something else is wrong with
//     it too. In NDJSON a broken line refuses the whole request. In CSV a record
//     of another length than the header is a row that fails, but broken quotes
//     refuse the whole request. UTF-16, Latin-1, a spreadsheet file and gzip
//     without its header are named for what they are, with the code of a text
//     that is not of its format.
//   - A request with an Idempotency-Key is compared with the first by its rows and
//     options, not by its bytes: white space between rows does not make another
//     body. A refused request leaves its key free. Without a [bulk.IdempotencyKeyStore] a
//     request with a key is 400.
//   - A row of more than 4 MiB of text fails as USER_TOO_LARGE, however long it is.
//     Of one with a string or number beyond 8 MiB only the brackets and quotes are
//     looked at. White space of that length between values is 413.
//   - The first 100 rows of a request list up to 100 errors each, the others 10. The
//     message of the last one says how many more there are.
//   - Of several preferences wait the first one counts, and its seconds may stand in
//     quotes. Preference-Applied has the seconds as they count. A caller beyond
//     [Config.MaxWaits] is answered at once, without that header.
//   - A tenant= that is the caller's own is fine for everybody; another one is 403 for
//     those who are no super admins. tenant= without a value is the tenant whose name
//     is empty.
//   - The body of a retry has at most 4 KiB; {} is as no body. Its rows keep their line
//     numbers.
//   - A super admin may remove jobs of other tenants, as it may cancel them.
//   - Results of a job that has none, or has not ended, are 404 NOT_FOUND, with
//     Retry-After while it runs.
//   - A results stream that breaks off closes the connection, so that nobody takes
//     a part for the whole.
//
// # CSV
//
// CSV is RFC 4180 in UTF-8 with a header row. Records may end with LF alone, a quote
// in a cell that does not begin with one is a character like others, and cells come
// through byte by byte, line ends in quotes included. Records whose cells are all
// empty are passed over. The type of a field stands behind the last colon of its
// column: :string, :number, :boolean or :json; :string is for names that have a
// colon. Booleans may be of any case. Beyond the contract, customFields:json and
// metadata:json hold whole objects.
//
// The separator is the first of , ; tab and | with which every column has a valid
// name, one of userId and email among them, or that of a first line like "sep=;". A
// refused header is explained as one with commas. The blanks that are dropped around
// the names of fields are those of Unicode; blanks in front of a quote are spaces and
// tabs. The columns _index, _line, _status, _errors and _rest are passed over,
// however often they are there.
//
// So the CSV of a job's results can be mended and sent again as it is, and as a
// spreadsheet saves it. It begins with a byte order mark, has _index, _line, _status
// and _errors in front, then the rows' own columns, and, if rows have keys that users
// cannot have, these as JSON in _rest. The types of its columns keep all values as
// they were: a column of different types, or with nulls or empty strings, is :json.
// Fields whose names have blanks at an end, a separator or a line end are in
// customFields:json or metadata:json.
//
// A string that begins with one of = + - @ ＝ ＋ － ＠, tab, carriage return or line
// feed, or with apostrophes, white space, control or zero-width characters and then
// one of these signs, gets an apostrophe in front there, so that no spreadsheet runs
// it. One apostrophe is taken away from such cells when they are sent. Other cells
// that begin with an apostrophe stay as they are.
//
// A program that takes another separator than the comma, as spreadsheets do in many
// countries, heeds no quotes within what it takes for a cell. So the same is done
// behind each ; | tab and line end within a string, and ; and | are escaped in JSON.
// These apostrophes are taken away from texts that have a column _index alone: cells
// of others come through as they are.
package httpapi
