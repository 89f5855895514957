package contracttest

import (
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// An answer is a response, with the request that it is for.
type answer struct {
	t       *testing.T
	request string
	status  int
	header  http.Header
	body    []byte
}

// describe notes what was asked.
func (a *answer) describe(r *http.Request, body string) {
	var text strings.Builder
	fmt.Fprintf(&text, "%s %s\n", r.Method, r.URL)
	writeHeader(&text, r.Header)
	text.WriteString(clip(body))
	a.request = text.String()
}

func writeHeader(text *strings.Builder, header http.Header) {
	for _, name := range slices.Sorted(maps.Keys(header)) {
		fmt.Fprintf(text, "%s: %s\n", name, strings.Join(header[name], ", "))
	}
	text.WriteByte('\n')
}

// String is the request and the answer, for people.
func (a *answer) String() string {
	var text strings.Builder
	fmt.Fprintf(&text, "--- request\n%s\n--- answer\n%d %s\n", a.request, a.status, http.StatusText(a.status))
	writeHeader(&text, a.header)
	text.WriteString(clip(string(a.body)))
	return text.String()
}

// clip shortens a text for a message.
func clip(s string) string {
	const most = 3000
	if !utf8.ValidString(s) {
		return fmt.Sprintf("%.200q… (%d bytes that are not all text)", s, len(s))
	}
	if len(s) <= most {
		return s
	}
	return fmt.Sprintf("%s… (%d bytes)", strings.ToValidUTF8(s[:most], ""), len(s))
}

func (a *answer) errorf(format string, args ...any) {
	a.t.Helper()
	a.t.Errorf("%s\n%s", fmt.Sprintf(format, args...), a)
}

func (a *answer) fatalf(format string, args ...any) {
	a.t.Helper()
	a.t.Fatalf("%s\n%s", fmt.Sprintf(format, args...), a)
}

// An envelope is what every JSON answer looks like.
type envelope struct {
	Success bool           `json:"success"`
	Data    jsontext.Value `json:"data"`
	Error   *problem       `json:"error"`
}

type problem struct {
	Code    string         `json:"code"`
	Message string         `json:"message"`
	Details map[string]any `json:"details"`
}

// decode reads JSON that has no members but those of v, each once.
func (a *answer) decode(text []byte, v any) {
	a.t.Helper()
	if err := json.Unmarshal(text, v, json.RejectUnknownMembers(true)); err != nil {
		a.fatalf("%v", err)
	}
}

// hasKeys checks that an object has exactly these keys.
func (a *answer) hasKeys(object jsontext.Value, want ...string) {
	a.t.Helper()
	var members map[string]jsontext.Value
	if err := json.Unmarshal(object, &members); err != nil {
		a.errorf("%v in %s", err, clip(string(object)))
		return
	}
	got := slices.Sorted(maps.Keys(members))
	slices.Sort(want)
	if !slices.Equal(got, want) {
		a.errorf("keys are %q, want %q", got, want)
	}
}

// checkEnvelope checks what all answers have in common.
func (a *answer) checkEnvelope() {
	a.t.Helper()
	if got := a.header.Get("Content-Type"); got != "application/json; charset=utf-8" {
		a.errorf("Content-Type is %q, want application/json; charset=utf-8", got)
	}
	if got := a.header.Get("Cache-Control"); got != "no-store" {
		a.errorf("Cache-Control is %q, want no-store", got)
	}
	var e envelope
	if err := json.Unmarshal(a.body, &e, json.RejectUnknownMembers(true)); err != nil {
		a.errorf("the answer is not an envelope: %v", err)
		return
	}
	if success := a.status < 300; e.Success != success {
		a.errorf("success is %v with status %d", e.Success, a.status)
	}
	if e.Success {
		a.hasKeys(a.body, "success", "data")
		return
	}
	a.hasKeys(a.body, "success", "error")
	if e.Error == nil || e.Error.Code == "" || e.Error.Message == "" {
		a.errorf("an error has a code and a message")
	}
}

// data returns the data of an answer of that status.
func (a *answer) data(status int) jsontext.Value {
	a.t.Helper()
	if a.status != status {
		a.fatalf("status is %d, want %d", a.status, status)
	}
	var e envelope
	a.decode(a.body, &e)
	return e.Data
}

// refusedWith checks that the answer is an error, and returns it.
func (a *answer) refusedWith(status int, code string) *problem {
	a.t.Helper()
	var e envelope
	a.decode(a.body, &e)
	if a.status != status || e.Error == nil || e.Error.Code != code {
		a.fatalf("want %d %s", status, code)
	}
	return e.Error
}

// hasHeader checks a header.
func (a *answer) hasHeader(name, want string) {
	a.t.Helper()
	if got := a.header.Get(name); got != want {
		a.errorf("%s is %q, want %q", name, got, want)
	}
}

// A summary counts rows by status.
type summary struct {
	Created      int `json:"created"`
	Updated      int `json:"updated"`
	Unchanged    int `json:"unchanged"`
	Skipped      int `json:"skipped"`
	Failed       int `json:"failed"`
	NotProcessed int `json:"notProcessed"`
}

var summaryKeys = []string{"created", "updated", "unchanged", "skipped", "failed", "notProcessed"}

func (s summary) processed() int {
	return s.Created + s.Updated + s.Unchanged + s.Skipped + s.Failed
}

// A rowResult is what became of a row.
type rowResult struct {
	Index        int        `json:"index"`
	ParentIndex  *int       `json:"parentIndex"`
	Line         int        `json:"line"`
	UserID       string     `json:"userId"`
	Email        string     `json:"email"`
	Status       string     `json:"status"`
	Errors       []rowError `json:"errors"`
	Changes      []string   `json:"changes"`
	WelcomeEmail string     `json:"welcomeEmail"`
}

type rowError struct {
	Code      string `json:"code"`
	Field     string `json:"field"`
	Message   string `json:"message"`
	Retryable bool   `json:"retryable"`
	// ConflictsWith is there for EMAIL_TAKEN alone.
	ConflictsWith string `json:"conflictsWith"`
}

// codes returns the codes of the errors in order of the alphabet.
func (r rowResult) codes() []string {
	var codes []string
	for _, e := range r.Errors {
		codes = append(codes, e.Code)
	}
	slices.Sort(codes)
	return codes
}

// count counts results by status.
func count(results []rowResult) (s summary) {
	for _, r := range results {
		switch r.Status {
		case "created":
			s.Created++
		case "updated":
			s.Updated++
		case "unchanged":
			s.Unchanged++
		case "skipped":
			s.Skipped++
		case "failed":
			s.Failed++
		case "notProcessed":
			s.NotProcessed++
		}
	}
	return s
}

// A report is the answer to a small request.
type report struct {
	Mode             string         `json:"mode"`
	TotalRecords     int            `json:"totalRecords"`
	ProcessedRecords int            `json:"processedRecords"`
	Summary          jsontext.Value `json:"summary"`
	Results          []rowResult    `json:"results"`
	Error            *problem       `json:"error"`
}

// outcome returns the results of a small request.
func (a *answer) outcome() *outcome {
	a.t.Helper()
	data := a.data(http.StatusOK)
	var r report
	a.decode(data, &r)
	keys := []string{"mode", "totalRecords", "processedRecords", "summary", "results"}
	if r.Error != nil {
		keys = append(keys, "error")
	}
	a.hasKeys(data, keys...)
	o := &outcome{answer: a, results: r.Results, summary: a.summary(r.Summary), failure: r.Error}
	if r.Mode != "sync" {
		a.errorf("mode is %q, want sync", r.Mode)
	}
	o.check(r.TotalRecords)
	if r.ProcessedRecords != o.summary.processed() {
		a.errorf("processedRecords is %d, but the summary adds up to %d", r.ProcessedRecords, o.summary.processed())
	}
	return o
}

func (a *answer) summary(text jsontext.Value) (s summary) {
	a.t.Helper()
	a.hasKeys(text, slices.Clone(summaryKeys)...)
	a.decode(text, &s)
	return s
}

// An outcome is what became of the rows of a request, whichever way.
type outcome struct {
	*answer // the one with the results
	summary summary
	results []rowResult
	failure *problem // why a small request stopped before its end
}

// check checks what holds for the results of any request.
func (o *outcome) check(total int) {
	o.t.Helper()
	if len(o.results) != total {
		o.fatalf("there are %d results for %d rows", len(o.results), total)
	}
	if got := count(o.results); got != o.summary {
		o.errorf("the summary is %+v, but the results add up to %+v", o.summary, got)
	}
	if sum := o.summary.processed() + o.summary.NotProcessed; sum != total {
		o.errorf("the counts add up to %d of %d rows", sum, total)
	}
	for i, r := range o.results {
		if r.Index != i {
			o.fatalf("result %d has the index %d", i, r.Index)
		}
		if failed := r.Status == "failed"; failed != (len(r.Errors) > 0) {
			o.errorf("result %d: status %s with %d errors", i, r.Status, len(r.Errors))
		}
		for _, e := range r.Errors {
			if e.Code == "" || e.Message == "" {
				o.errorf("result %d has an error without a code or a message", i)
			}
		}
	}
}

// row checks that a row has that status and these codes.
func (o *outcome) row(i int, status string, codes ...string) rowResult {
	o.t.Helper()
	r := o.results[i]
	codes = slices.Sorted(slices.Values(codes))
	if r.Status != status || !slices.Equal(r.codes(), codes) {
		o.errorf("row %d is %s %q, want %s %q", i, r.Status, r.codes(), status, codes)
	}
	return r
}

// An acceptedJob is the answer to a large request.
type acceptedJob struct {
	*answer      `json:"-"`
	Mode         string `json:"mode"`
	JobID        string `json:"jobId"`
	Status       string `json:"status"`
	TotalRecords int    `json:"totalRecords"`
	StatusURL    string `json:"statusUrl"`
	CreatedAt    string `json:"createdAt"`
	ExpiresAt    string `json:"expiresAt"`
}

// accepted returns the job that a request has become.
func (a *answer) accepted() *acceptedJob {
	a.t.Helper()
	data := a.data(http.StatusAccepted)
	a.hasKeys(data, "mode", "jobId", "status", "totalRecords", "statusUrl", "createdAt", "expiresAt")
	job := &acceptedJob{answer: a}
	a.decode(data, job)
	return job
}

// A jobState is the status of a job.
type jobState struct {
	*answer          `json:"-"`
	JobID            string         `json:"jobId"`
	Type             string         `json:"type"`
	Status           string         `json:"status"`
	TotalRecords     int            `json:"totalRecords"`
	ProcessedRecords int            `json:"processedRecords"`
	Progress         int            `json:"progress"`
	Summary          jsontext.Value `json:"summary"`
	ParentJobID      *string        `json:"parentJobId"`
	Rate             *float64       `json:"rate"`
	ETASeconds       *int           `json:"etaSeconds"`
	Label            string         `json:"label"`
	Options          map[string]any `json:"options"`
	CreatedBy        string         `json:"createdBy"`
	CreatedAt        *string        `json:"createdAt"`
	StartedAt        *string        `json:"startedAt"`
	UpdatedAt        *string        `json:"updatedAt"`
	CompletedAt      *string        `json:"completedAt"`
	ExpiresAt        *string        `json:"expiresAt"`
	DownloadURL      *string        `json:"downloadUrl"`
	DownloadExpires  *string        `json:"downloadUrlExpiresAt"`
	Error            *problem       `json:"error"`

	summary summary
}

// job returns the state of a job, having checked what holds for any state.
func (a *answer) job() *jobState {
	a.t.Helper()
	return a.jobIn(a.data(http.StatusOK))
}

// jobIn returns the state of a job in a part of the answer.
func (a *answer) jobIn(text jsontext.Value) *jobState {
	a.t.Helper()
	a.hasKeys(text, "jobId", "type", "status", "totalRecords", "processedRecords", "progress", "summary", "rate", "etaSeconds", "label", "options", "parentJobId",
		"createdBy", "createdAt", "startedAt", "updatedAt", "completedAt", "expiresAt", "downloadUrl", "downloadUrlExpiresAt", "error")
	j := &jobState{answer: a}
	a.decode(text, j)
	j.summary = a.summary(j.Summary)
	if sum := j.summary.processed() + j.summary.NotProcessed; sum != j.TotalRecords {
		a.errorf("the counts add up to %d of %d rows", sum, j.TotalRecords)
	}
	if j.ProcessedRecords != j.summary.processed() {
		a.errorf("processedRecords is %d, but the summary has %d", j.ProcessedRecords, j.summary.processed())
	}
	if j.TotalRecords > 0 && j.Progress != 100*j.ProcessedRecords/j.TotalRecords {
		a.errorf("progress is %d with %d of %d rows", j.Progress, j.ProcessedRecords, j.TotalRecords)
	}
	ended := slices.Contains([]string{"completed", "failed", "cancelled"}, j.Status)
	if !ended && j.Status != "pending" && j.Status != "processing" {
		a.errorf("there is no status %q", j.Status)
	}
	for name, is := range map[string]struct{ there, may, must bool }{
		"createdAt":            {j.CreatedAt != nil, true, true},
		"updatedAt":            {j.UpdatedAt != nil, true, true},
		"expiresAt":            {j.ExpiresAt != nil, true, true},
		"startedAt":            {j.StartedAt != nil, j.Status != "pending", j.Status == "processing" || j.Status == "completed"},
		"completedAt":          {j.CompletedAt != nil, ended, ended},
		"downloadUrl":          {j.DownloadURL != nil, ended, ended},
		"downloadUrlExpiresAt": {j.DownloadExpires != nil, ended, ended},
		"rate":                 {j.Rate != nil, j.Status == "processing", false},
		"etaSeconds":           {j.ETASeconds != nil, j.Status == "processing", false},
		"error":                {j.Error != nil, j.Status == "failed" || j.Status == "cancelled", j.Status == "failed"},
	} {
		if is.there && !is.may || !is.there && is.must {
			a.errorf("%s of a job that is %s: there is %v", name, j.Status, is.there)
		}
	}
	for _, text := range []*string{j.CreatedAt, j.StartedAt, j.UpdatedAt, j.CompletedAt, j.ExpiresAt, j.DownloadExpires} {
		if text != nil {
			a.time(*text)
		}
	}
	return j
}

var timeFormat = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$`)

// time reads a time: RFC 3339 in UTC with milliseconds.
func (a *answer) time(text string) time.Time {
	a.t.Helper()
	t, err := time.Parse(time.RFC3339, text)
	if err != nil || !timeFormat.MatchString(text) {
		a.errorf("%q is not a time of RFC 3339 in UTC with milliseconds", text)
	}
	return t
}

// A resultsFile is the results of a job.
type resultsFile struct {
	JobID        string         `json:"jobId"`
	Status       string         `json:"status"`
	TotalRecords int            `json:"totalRecords"`
	Summary      jsontext.Value `json:"summary"`
	Results      []rowResult    `json:"results"`
}

// file returns the results file of a job.
func (a *answer) file() (*resultsFile, *outcome) {
	a.t.Helper()
	if a.status != http.StatusOK {
		a.fatalf("status is %d, want 200", a.status)
	}
	a.hasKeys(a.body, "jobId", "status", "totalRecords", "summary", "results")
	f := new(resultsFile)
	a.decode(a.body, f)
	return f, &outcome{answer: a, results: f.Results, summary: a.summary(f.Summary)}
}

// download fetches the results of a job by its link, as anybody can who has it.
func (w *world) download(job *jobState) *outcome {
	w.Helper()
	if job.DownloadURL == nil {
		job.fatalf("an ended job has a download link")
	}
	file, o := w.send(request{path: *job.DownloadURL, token: nobody}).file()
	o.check(job.TotalRecords)
	if file.JobID != job.JobID || file.Status != job.Status || file.TotalRecords != job.TotalRecords || o.summary != job.summary {
		o.errorf("the file is of another job than\n%s", job)
	}
	return o
}
