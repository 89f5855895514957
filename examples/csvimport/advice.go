package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/httpapi/client"
)

// isServiceFault reports whether an import failed for what nobody but the service can
// mend.
func isServiceFault(err error) bool {
	var answer *client.Error
	var ended *client.JobError
	return errors.As(err, &answer) && answer.Status >= 500 || errors.As(err, &ended)
}

// advice says what to do about an import that the same command would not continue as
// it is, "" where the error says it all. begun is set if some rows were imported.
func advice(err error, opts *options, begun bool) string {
	var (
		answer      *client.Error
		ended       *client.JobError
		changed     *client.SourceError
		certificate *tls.CertificateVerificationError
		record      tls.RecordHeaderError
		host        *net.DNSError
		op          *net.OpError
	)
	switch {
	case errors.As(err, &answer):
		return adviceOn(answer, opts, begun)
	case errors.As(err, &ended):
		return rest(opts, begun, "")
	case errors.As(err, &changed) && !begun: // the grammar is fine, so it is the header
		return `If the header is to stay as it is: -map "HEADER=userId" renames a column, and -map "HEADER=" leaves it out.`
	case errors.Is(err, client.ErrNotAPI):
		return "Check -url: something else answers there."
	case errors.As(err, &host):
		return "Check -url: there is no host of that name."
	case errors.As(err, new(x509.HostnameError)), errors.As(err, new(*x509.HostnameError)):
		return "Check -url: the host has a certificate for another name."
	case errors.As(err, &certificate):
		return "Nothing was sent, since the host may be another one. If it is yours, let this computer trust who signed its\n" +
			"certificate: on Linux, SSL_CERT_FILE names a file with that certificate."
	case errors.As(err, &op) && op.Op == "remote error": // an alert of TLS
		return "The host refuses the connection: it may speak another version of TLS, or want a certificate of yours."
	case errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch):
		return "The host does not speak TLS there: check whether -url should begin with http://, and its port."
	default:
		return ""
	}
}

// adviceOn is advice for an answer of the service.
func adviceOn(answer *client.Error, opts *options, begun bool) string {
	again := " Then run the same command again."
	if begun {
		again = " Then run the same command again: it continues where it was."
	}
	switch {
	case answer.Location != "":
		if base, ok := strings.CutSuffix(answer.Location, "/v1/bulk/users"); ok {
			return fmt.Sprintf("The service is elsewhere: use -url %s", base)
		}
		return "Check -url: it should be the address of the API, and is that of something else, perhaps a log-in."
	case answer.Code == "" && answer.Status == http.StatusBadRequest:
		return "The answer is not one of the API: check whether -url should begin with https://."
	}
	switch answer.Status {
	case http.StatusUnauthorized:
		if opts.token == "" {
			return "There is no token: put one into the environment variable " + tokenVariable + "." + again
		}
		return "The token is wrong or has expired: put another into " + tokenVariable + ", or give it with -token." + again
	case http.StatusForbidden:
		if answer.Code == "" {
			return "Something in front of the API does not let this through: ask who runs it." + again
		}
		return "The token is that of somebody who may not import users: it takes an admin's." + again
	case http.StatusNotFound, http.StatusMethodNotAllowed:
		return fmt.Sprintf("Check -url: there is no API below %s/v1/bulk/.", strings.TrimRight(opts.url, "/"))
	case http.StatusRequestEntityTooLarge:
		return "A request has too many bytes. " + rest(opts, begun, fmt.Sprintf("-max-users %d, or less", max(1, opts.maxUsers/2)))
	case http.StatusUnsupportedMediaType:
		return "The service does not take CSV: check that -url is that of this API."
	case http.StatusUnprocessableEntity:
		if errors.Is(answer, bulk.ErrIdempotencyKeyReused) {
			return "The name of -key has been used for something else: give another."
		}
	case http.StatusInternalServerError:
		return "The service has a fault, which its log shows." + strings.Replace(again, "Then", "Once it is mended,", 1)
	}
	if limit := answer.Details["limit"]; limit != nil && answer.Code == string(bulk.CodeTooManyUsers) {
		return rest(opts, begun, fmt.Sprintf("-max-users %v", limit))
	}
	return "Mend that and run the command again: what was imported before is not imported again."
}

// rest says how the rows that were not imported are, with other flags.
func rest(opts *options, begun bool, flags string) string {
	if flags != "" {
		flags = " with " + flags
	}
	switch {
	case !begun:
		return "Run the command again" + flags + "."
	case opts.failed == "":
		return "For the rows that were not imported, run the same command again with -failed FILE, and then import FILE" + flags + "."
	case flags == "":
		return "" // that they are in that file has been said
	default:
		return "For the rows that were not imported, import " + opts.failed + flags + "."
	}
}
