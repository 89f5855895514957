package httpapi

import (
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/rowio"
	"github.com/bulkops/bulkops/internal/rowtext"
)

// A format is a media type that users may be sent in.
type format struct {
	mediaType string
	// inQuery is set where options are query parameters.
	inQuery bool
	// rows returns a reader of a body. One that finds options in it changes those
	// that are given, and is a bulk.OptionsReader.
	rows func(body io.Reader, options bulk.Options) bulk.RowReader
}

var formats = []format{
	{
		mediaType: "application/json",
		rows:      func(body io.Reader, options bulk.Options) bulk.RowReader { return rowio.NewJSON(body, options) },
	},
	{
		mediaType: "application/x-ndjson", inQuery: true,
		rows: func(body io.Reader, _ bulk.Options) bulk.RowReader { return rowio.NewNDJSON(body) },
	},
	{
		mediaType: "text/csv", inQuery: true,
		rows: func(body io.Reader, _ bulk.Options) bulk.RowReader { return rowio.NewCSV(body) },
	},
	{
		mediaType: "text/tab-separated-values", inQuery: true,
		rows: func(body io.Reader, _ bulk.Options) bulk.RowReader { return rowio.NewTSV(body) },
	},
}

const (
	acceptedTypes     = "application/json, application/x-ndjson, text/csv, text/tab-separated-values"
	acceptedEncodings = "gzip"
)

// formatOf returns the format of a request's body.
func formatOf(r *http.Request) (*format, error) {
	header := r.Header.Get("Content-Type")
	if header == "" {
		return nil, unsupportedType("the request has no Content-Type; it may be " + acceptedTypes)
	}
	// An invalid parameter is no more than a type that we do not know.
	mediaType, params, err := mime.ParseMediaType(header)
	if err != nil {
		return nil, unsupportedType("the Content-Type is malformed; it may be " + acceptedTypes)
	}
	for i := range formats {
		if formats[i].mediaType != mediaType {
			continue
		}
		if charset := params["charset"]; charset != "" && !strings.EqualFold(charset, "utf-8") {
			return nil, unsupportedType("the charset of the body must be utf-8")
		}
		if params["header"] == "absent" { // RFC 7111, 3: a parameter of text/csv
			return nil, unsupportedType("the CSV must have a header row")
		}
		return &formats[i], nil
	}
	return nil, unsupportedType("the Content-Type " + rowtext.Quote(mediaType) + " is not one of " + acceptedTypes)
}

// isGzip reports whether a request's body is compressed.
func isGzip(r *http.Request) (bool, error) {
	switch strings.ToLower(strings.TrimSpace(strings.Join(r.Header.Values("Content-Encoding"), ","))) {
	case "", "identity":
		return false, nil
	case "gzip", "x-gzip": // the same, by RFC 9110, 8.4.1.3
		return true, nil
	default:
		return false, &problem{
			status: http.StatusUnsupportedMediaType, code: codeUnsupportedMedia,
			message: "the Content-Encoding must be gzip, or none",
			header:  http.Header{"Accept-Encoding": {acceptedEncodings}}, // RFC 9110, 12.5.3
		}
	}
}

func unsupportedType(message string) *problem {
	return &problem{
		status: http.StatusUnsupportedMediaType, code: codeUnsupportedMedia,
		message: message,
		header:  http.Header{"Accept-Post": {acceptedTypes}},
	}
}
