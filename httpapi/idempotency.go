package httpapi

import "net/http"

const idempotencyHeader = "Idempotency-Key"

// idempotencyKey returns the key of a request, "" if it has none.
func idempotencyKey(header http.Header) (string, error) {
	values := header.Values(idempotencyHeader)
	switch {
	case len(values) == 0:
		return "", nil
	case len(values) > 1:
		return "", badRequest("header %s stands twice", idempotencyHeader)
	case values[0] == "":
		return "", badRequest("header %s is empty", idempotencyHeader)
	default:
		return values[0], nil
	}
}
