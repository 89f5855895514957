package httpapi

import (
	"io"
	"net/http"
	"time"

	"github.com/bulkops/bulkops/bulk"
)

// Downloads returns a handler of the paths below "/v1/bulk/downloads/" and no others,
// under any prefix, for hosts whose middleware guards the rest of the API: a link
// there is its own credential. The [Handler] itself serves these paths too.
//
//	mux.Handle("/v1/bulk/", guard(handler))
//	mux.Handle("/v1/bulk/downloads/", handler.Downloads())
func (h *Handler) Downloads() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.serveRoutes(w, r, []route{downloadRoute})
	})
}

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
