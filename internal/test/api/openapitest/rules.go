package openapitest

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/bulkops/bulkops/bulk"
)

// An outcome is what an answer or a file says of the rows of an import. Members
// that it does not have are zero.
type outcome struct {
	JobID            string          `json:"jobId"`
	TotalRecords     int             `json:"totalRecords"`
	ProcessedRecords *int            `json:"processedRecords"`
	Progress         *int            `json:"progress"`
	Summary          *bulk.Summary   `json:"summary"`
	Results          json.RawMessage `json:"results"`
	Jobs             []outcome       `json:"jobs"`
}

// checkCounts checks what the counts of a JSON answer have to do with each other.
func (e *checked) checkCounts() error {
	var answer struct {
		outcome
		Data json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(e.Body, &answer); err != nil {
		return err
	}
	if answer.Data != nil {
		if err := json.Unmarshal(answer.Data, &answer.outcome); err != nil {
			return err
		}
	}
	for _, job := range answer.Jobs {
		if err := job.check(false); err != nil {
			return err
		}
	}
	return answer.check(e.onlyFailed())
}

func (e *checked) onlyFailed() bool { return e.URL.Query().Get("only") == "failed" }

func (o *outcome) check(onlyFailed bool) error {
	if o.Summary == nil {
		return nil
	}
	if o.Summary.Total() != o.TotalRecords {
		return fmt.Errorf("rule: the counts of summary add up to totalRecords: %+v, %d", *o.Summary, o.TotalRecords)
	}
	if o.ProcessedRecords != nil && *o.ProcessedRecords != o.Summary.Processed() {
		return fmt.Errorf("rule: processedRecords counts the rows that were reached: %+v, %d", *o.Summary, *o.ProcessedRecords)
	}
	if o.Progress != nil && *o.Progress != 100*o.Summary.Processed()/o.TotalRecords {
		return fmt.Errorf("rule: progress is processedRecords in percent: %+v, %d", *o.Summary, *o.Progress)
	}
	if o.Results == nil {
		return nil
	}
	var results []bulk.RowResult
	if err := json.Unmarshal(o.Results, &results); err != nil {
		return err
	}
	counted, err := count(results, onlyFailed)
	if err != nil {
		return err
	}
	want := *o.Summary
	if onlyFailed {
		want = bulk.Summary{Failed: want.Failed}
	}
	if counted != want {
		return fmt.Errorf("rule: summary counts the results: %+v, %+v", want, counted)
	}
	return nil
}

// count counts results by status. They have to be in order, and to be all unless
// only those of failed rows are there.
func count(results []bulk.RowResult, onlyFailed bool) (bulk.Summary, error) {
	var s bulk.Summary
	before := -1
	for _, r := range results {
		if r.Index <= before || !onlyFailed && r.Index != before+1 {
			return s, fmt.Errorf("rule: one result a row, in order: %d behind %d", r.Index, before)
		}
		before = r.Index
		switch r.Status {
		case bulk.StatusCreated:
			s.Created++
		case bulk.StatusUpdated:
			s.Updated++
		case bulk.StatusUnchanged:
			s.Unchanged++
		case bulk.StatusSkipped:
			s.Skipped++
		case bulk.StatusFailed:
			s.Failed++
		case bulk.StatusNotProcessed:
			s.NotProcessed++
		}
	}
	return s, nil
}

// checkFile checks the text of a results file that is not JSON.
func (e *checked) checkFile(doc *document, contentType string) error {
	switch contentType {
	case "application/x-ndjson":
		var results []bulk.RowResult
		for line := range bytes.Lines(e.Body) {
			value, err := parse(bytes.TrimSuffix(line, []byte("\n")))
			if err != nil {
				return fmt.Errorf("line %q: %w", line, err)
			}
			if err := doc.validate(component("RowResult"), value); err != nil {
				return fmt.Errorf("line %q: %w", line, err)
			}
			var result bulk.RowResult
			if err := json.Unmarshal(line, &result); err != nil {
				return err
			}
			results = append(results, result)
		}
		_, err := count(results, e.onlyFailed())
		return err
	case "text/csv":
		text, ok := strings.CutPrefix(string(e.Body), "\ufeff")
		if !ok || !strings.HasPrefix(text, "_index,_line,_status,_errors") {
			return errors.New("the CSV does not begin with a byte order mark and the columns of results")
		}
		_, err := csv.NewReader(strings.NewReader(text)).ReadAll()
		return err
	default:
		return nil
	}
}
