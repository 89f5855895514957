package httpapi

import (
	"fmt"
	"net/http"
	"net/url"

	"github.com/bulkops/bulkops/bulk"
)

// trustedOrigins returns what refuses requests that change something and come from
// pages of other origins. The service's own origin is trusted, also where a proxy
// sends requests on to another host name.
func trustedOrigins(origins []string, base *url.URL) (*http.CrossOriginProtection, error) {
	p := http.NewCrossOriginProtection()
	for _, origin := range origins {
		if err := p.AddTrustedOrigin(origin); err != nil {
			return nil, &bulk.ConfigError{Field: "httpapi.Config.TrustedOrigins",
				Problem: fmt.Sprintf("has %q, which is no origin like \"https://admin.example.com\"", origin)}
		}
	}
	if base != nil {
		// complete has checked that it has both.
		_ = p.AddTrustedOrigin(base.Scheme + "://" + base.Host)
	}
	return p, nil
}

// crossOrigin is a request that a page of another origin made a browser send.
func crossOrigin() *problem {
	return &problem{status: http.StatusForbidden, code: codeForbidden, message: "a page of another origin may not send this request"}
}
