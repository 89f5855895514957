package webhook

import (
	"encoding/json"
	"time"

	"github.com/bulkops/bulkops/bulk"
)

// eventEnded is the type of messages about the end of a job.
const eventEnded = "bulk.job.ended"

// A message is the body of a request.
type message struct {
	Type      string  `json:"type"`
	Timestamp stamp   `json:"timestamp"`
	Data      jobView `json:"data"`
}

// jobView is a job as the status of the API shows it, by the same names, without what
// says more than a receiver has to know. It does not change once the job has ended, so
// that all messages about one end are the same.
type jobView struct {
	JobID            string         `json:"jobId"`
	ParentJobID      *string        `json:"parentJobId"`
	Type             string         `json:"type"`
	Status           bulk.JobStatus `json:"status"`
	TotalRecords     int            `json:"totalRecords"`
	ProcessedRecords int            `json:"processedRecords"`
	Progress         int            `json:"progress"`
	Summary          bulk.Summary   `json:"summary"`
	Label            string         `json:"label"`
	Options          bulk.Options   `json:"options"`
	CreatedAt        stamp          `json:"createdAt"`
	StartedAt        stamp          `json:"startedAt"`
	CompletedAt      stamp          `json:"completedAt"`
	ExpiresAt        stamp          `json:"expiresAt"`
	Error            *bulk.JobError `json:"error"`
}

// payload returns the body of the request about the end of a job.
func payload(job *bulk.Job) ([]byte, error) {
	view := jobView{
		JobID:            job.ID,
		Type:             job.Type,
		Status:           job.Status,
		TotalRecords:     job.TotalRecords,
		ProcessedRecords: job.Progress.Summary.Processed(),
		Progress:         job.Percent(),
		Summary:          job.Summary(),
		Label:            job.Label,
		Options:          job.Options,
		CreatedAt:        stamp(job.CreatedAt),
		StartedAt:        stamp(job.StartedAt),
		CompletedAt:      stamp(job.CompletedAt),
		ExpiresAt:        stamp(job.ExpiresAt),
		Error:            job.Error,
	}
	if job.ParentID != "" {
		view.ParentJobID = &job.ParentID
	}
	return json.Marshal(message{eventEnded, view.CompletedAt, view})
}

// A stamp is a time as the API has it: RFC 3339 in UTC with milliseconds, null for none.
type stamp time.Time

func (s stamp) MarshalJSON() ([]byte, error) {
	t := time.Time(s)
	if t.IsZero() {
		return []byte("null"), nil
	}
	return []byte(t.UTC().Format(`"2006-01-02T15:04:05.000Z"`)), nil
}
