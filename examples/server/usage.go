package main

import (
	"fmt"
	"io"
	"net"
	"strings"
)

// publicURL is where this machine reaches a server that listens on addr.
func publicURL(addr net.Addr) string {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok {
		return "http://" + addr.String()
	}
	local := *tcp
	if local.IP.IsUnspecified() {
		local.IP = net.IPv4(127, 0, 0, 1)
	}
	return "http://" + local.String()
}

// curls are requests to try, for a shell with the variable TOKEN.
const curls = `
# import users: the answer has the results
curl -sS -H "Authorization: Bearer $TOKEN" -H "Content-Type: application/json" URL/v1/bulk/users \
  -d '{"users": [{"userId": "u-1001", "email": "ana@example.com", "customFields": {"team": "Lakers"}}]}'

# the same as a job, as from THRESHOLD users on
curl -sS -H "Authorization: Bearer $TOKEN" -H "Content-Type: application/json" -H "Prefer: respond-async" URL/v1/bulk/users \
  -d '{"users": [{"userId": "u-1001", "metadata": {"source": "crm"}}], "options": {"dryRun": true}}'

# the jobs, newest first, each with the link to its results
curl -sS -H "Authorization: Bearer $TOKEN" URL/v1/bulk/jobs
`

// printUsage says where the server is and what to try. It prints no token that
// was given to the program.
func printUsage(out io.Writer, url string, backend *backend, opts *options) {
	fmt.Fprintf(out, "listening on %s\n", url)
	for _, line := range backend.uses {
		fmt.Fprintf(out, "# %s\n", line)
	}
	if opts.workers == 0 {
		fmt.Fprintln(out, "no workers here: jobs wait for those of other processes on the same backend")
		if opts.backend == "memory" {
			fmt.Fprintln(out, "the memory backend is in this process alone, so nobody will run them")
		}
	}
	if opts.madeUp != "" {
		fmt.Fprintf(out, "\n# an admin, made up for this run\nTOKEN=%s\n", opts.madeUp)
	} else {
		fmt.Fprint(out, "\nTOKEN=...  # one of -tokens\n")
	}
	fmt.Fprintf(out, "# the page for administrators: %s/console/\n", url)
	fmt.Fprint(out, strings.NewReplacer("URL", url, "THRESHOLD", fmt.Sprint(opts.syncThreshold)).Replace(curls))
}
