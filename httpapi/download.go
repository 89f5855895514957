package httpapi

import (
	"io"
	"net/http"
	"time"

	"github.com/bulkops/bulkops/bulk"
)

// download is GET downloads/{token}: the results file, for whoever has the link.
func (h *Handler) download(c *call) error {
	id, err := h.links.job(c.arg, time.Now())
	if err != nil || c.r.URL.RawQuery != "" {
		return &problem{status: http.StatusForbidden, code: codeForbidden, message: "the link has expired or was altered"}
	}
	job, err := h.cfg.Importer.JobByID(c.r.Context(), id)
	if err != nil {
		return err
	}
	return h.sendFile(c, job, bulk.ResultsFileName(job), "application/json", func(w io.Writer) error {
		return h.writeJSON(c, job, selection{}, w)
	})
}
