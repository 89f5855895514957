package httpapi

import (
	"io"
	"net/http"
	"time"

	"github.com/bulkops/bulkops/bulk"
)

// linkHolder is who a download link speaks for. The link was made for a caller
// who may see the job, and names no other.
var linkHolder = bulk.Principal{ID: "download link", Role: bulk.RoleSuperAdmin}

// download is GET downloads/{token}: the results file, for whoever has the link.
func (h *Handler) download(c *call) error {
	id, err := h.links.job(c.arg, time.Now())
	if err != nil || c.r.URL.RawQuery != "" {
		return &problem{status: http.StatusForbidden, code: codeForbidden, message: "the link has expired or was altered"}
	}
	job, err := h.cfg.Importer.Job(c.r.Context(), linkHolder, id)
	if err != nil {
		return err
	}
	return h.sendFile(c, job, bulk.ResultsFileName(job), "application/json", func(w io.Writer) error {
		return h.writeJSON(c, job, selection{}, w)
	})
}
