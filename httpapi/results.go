package httpapi

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/rowio"
)

// resultFormats are the formats of GET jobs/{jobId}/results.
var resultFormats = map[string]struct {
	contentType string
	write       func(*Handler, *call, *bulk.Job, selection, io.Writer) error
}{
	"json":   {"application/json", (*Handler).writeJSON},
	"ndjson": {"application/x-ndjson", (*Handler).writeNDJSON},
	"csv":    {"text/csv; charset=utf-8; header=present", (*Handler).writeCSV},
}

// A selection says which results are asked for.
type selection struct{ onlyFailed bool }

func (s selection) has(status bulk.Status) bool {
	return !s.onlyFailed || status == bulk.StatusFailed
}

// fileName is the name under which a selection of a job's results is saved.
func (s selection) fileName(job *bulk.Job, format string) string {
	if s.onlyFailed {
		return job.ID + "-failed." + format
	}
	return strings.TrimSuffix(bulk.ResultsFileName(job), "json") + format
}

// streamBuffer is how much of a file is sent at a time. What fails before as much
// is made is still answered with an error.
const streamBuffer = 32 << 10

// jobResults is GET jobs/{jobId}/results.
func (h *Handler) jobResults(c *call) error {
	params, err := query(c.r, "format", "only")
	if err != nil {
		return err
	}
	name, ok := params["format"]
	if !ok {
		name = "json"
	}
	format, ok := resultFormats[name]
	if !ok {
		return badRequest("query parameter format must be json, ndjson or csv")
	}
	only, ok := params["only"]
	if ok && only != "failed" {
		return badRequest("query parameter only must be failed")
	}
	selected := selection{onlyFailed: ok}
	job, err := h.job(c)
	if err != nil {
		return err
	}
	return h.sendFile(c, job, selected.fileName(job, name), format.contentType, func(w io.Writer) error {
		return format.write(h, c, job, selected, w)
	})
}

// sendFile answers with a file about the results of a job.
func (h *Handler) sendFile(c *call, job *bulk.Job, name, contentType string, write func(io.Writer) error) error {
	if !job.Status.Ended() {
		h.retryAfter(c)
		return &problem{status: http.StatusNotFound, code: codeNotFound, message: "the job has not ended, so it has no results yet"}
	}
	if c.r.Method == http.MethodHead {
		file, err := h.cfg.Importer.Results(c.r.Context(), job)
		if err != nil {
			return missing(err)
		}
		_ = file.Close()
		write = func(io.Writer) error { return nil }
	}
	hold := h.budget.open(job.Tenant)
	defer hold.close()
	if err := hold.grow(fileMemory); err != nil {
		return err
	}
	c.w.head(contentType)
	// Ids of jobs need no escapes.
	c.w.Header().Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", name))
	out := bufio.NewWriterSize(c.w, streamBuffer)
	err := write(out)
	if err == nil {
		err = out.Flush()
	}
	return missing(err)
}

// missing is the error of a file that could not be sent. Blobs outlive their jobs
// unless somebody removes them, so a missing one is a missing result.
func missing(err error) error {
	if errors.Is(err, bulk.ErrBlobNotFound) {
		return fmt.Errorf("%w: %w", bulk.ErrNoResults, err)
	}
	return err
}

// writeJSON writes the results file, or the same with fewer results.
func (h *Handler) writeJSON(c *call, job *bulk.Job, selected selection, w io.Writer) error {
	file, err := h.cfg.Importer.Results(c.r.Context(), job)
	if err != nil {
		return err
	}
	defer file.Close()
	if !selected.onlyFailed {
		_, err := io.Copy(w, file)
		return err
	}
	results, err := newResultsReader(file)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(w, `%s"results":[`, results.head); err != nil {
		return err
	}
	separator := "\n"
	err = results.each(selected, func(text []byte, _ bulk.Status) error {
		_, err := fmt.Fprintf(w, "%s%s", separator, text)
		separator = ",\n"
		return err
	})
	if err != nil {
		return err
	}
	_, err = io.WriteString(w, "\n]}\n")
	return err
}

// writeNDJSON writes a result a line.
func (h *Handler) writeNDJSON(c *call, job *bulk.Job, selected selection, w io.Writer) error {
	return h.eachResult(c, job, selected, func(text []byte, _ bulk.Status) error {
		_, err := fmt.Fprintf(w, "%s\n", text)
		return err
	})
}

// writeCSV writes the rows as they were sent, and what became of them.
func (h *Handler) writeCSV(c *call, job *bulk.Job, selected selection, w io.Writer) error {
	var table rowio.Table
	err := h.eachRow(c, job, selected, func(row bulk.Row, _ []byte) error {
		table.Add(row.JSON)
		return nil
	})
	if err != nil {
		return err
	}
	record := table.AppendHeader(nil)
	if _, err := w.Write(record); err != nil {
		return err
	}
	return h.eachRow(c, job, selected, func(row bulk.Row, text []byte) error {
		var result bulk.RowResult
		if err := json.Unmarshal(text, &result); err != nil {
			return brokenResults(nil)
		}
		record = table.AppendRecord(record[:0], row.JSON, result)
		_, err := w.Write(record)
		return err
	})
}

// eachResult calls do with the selected results of a job in order.
func (h *Handler) eachResult(c *call, job *bulk.Job, selected selection, do func(text []byte, status bulk.Status) error) error {
	file, err := h.cfg.Importer.Results(c.r.Context(), job)
	if err != nil {
		return err
	}
	defer file.Close()
	results, err := newResultsReader(file)
	if err != nil {
		return err
	}
	return results.each(selected, do)
}

// eachRow calls do with the selected rows of a job in order, and their results.
func (h *Handler) eachRow(c *call, job *bulk.Job, selected selection, do func(row bulk.Row, result []byte) error) error {
	rows, err := h.cfg.Importer.Rows(c.r.Context(), job)
	if err != nil {
		return err
	}
	defer rows.Close()
	return h.eachResult(c, job, selection{}, func(text []byte, status bulk.Status) error {
		row, err := rows.Next()
		if err != nil {
			return fmt.Errorf("httpapi: row of a result: %w", err)
		}
		if !selected.has(status) {
			return nil
		}
		return do(row, text)
	})
}

// A resultsReader reads a results file.
type resultsReader struct {
	dec *jsontext.Decoder
	// head is the file up to the key of the results: the opening brace and the
	// other members with their commas.
	head []byte
}

// newResultsReader reads the head of a file. It is small.
func newResultsReader(file io.Reader) (*resultsReader, error) {
	r := &resultsReader{dec: jsontext.NewDecoder(file)}
	token, err := r.dec.ReadToken()
	if err != nil || token.Kind() != '{' {
		return nil, brokenResults(err)
	}
	r.head = append(r.head, '{')
	for {
		name, err := r.dec.ReadToken()
		if err != nil || name.Kind() != '"' {
			return nil, brokenResults(err)
		}
		if name.String() == "results" {
			break
		}
		r.head = append(r.head, strconv.Quote(name.String())...)
		value, err := r.dec.ReadValue()
		if err != nil {
			return nil, brokenResults(err)
		}
		r.head = append(append(append(r.head, ':'), value...), ',')
	}
	if token, err := r.dec.ReadToken(); err != nil || token.Kind() != '[' {
		return nil, brokenResults(err)
	}
	return r, nil
}

// each calls do with each selected result, as one line of JSON.
func (r *resultsReader) each(selected selection, do func(text []byte, status bulk.Status) error) error {
	for r.dec.PeekKind() == '{' {
		text, err := r.dec.ReadValue()
		if err != nil {
			return brokenResults(err)
		}
		var result struct {
			Status bulk.Status `json:"status"`
		}
		if err := json.Unmarshal(text, &result); err != nil {
			return brokenResults(nil)
		}
		if !selected.has(result.Status) {
			continue
		}
		if err := do(text, result.Status); err != nil {
			return err
		}
	}
	// A file that is cut off must not pass for one that is complete.
	for _, end := range []jsontext.Kind{']', '}'} {
		if token, err := r.dec.ReadToken(); err != nil || token.Kind() != end {
			return brokenResults(err)
		}
	}
	return nil
}

// brokenResults is a results file that could not be read, or, with no error or one
// of syntax, one that is none.
func brokenResults(err error) error {
	var syntax *jsontext.SyntacticError
	switch {
	case err == nil:
		return bulk.Permanent(errors.New("httpapi: results file has another shape"))
	case errors.As(err, &syntax):
		return bulk.Permanent(fmt.Errorf("httpapi: results file is damaged: %w", err))
	default:
		return fmt.Errorf("httpapi: read results file: %w", err)
	}
}
