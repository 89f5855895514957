package bulktest

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"time"

	"github.com/bulkops/bulkops/bulk"
)

// urlCases are for a store that is a [bulk.URLSigner].
var urlCases = []blobCase{{
	name: "SignURL/ServesTheBlob",
	rule: "the URL serves the blob as an attachment with the file name and content type asked for, by a bare GET",
	run: func(t *blobTest) {
		signer := t.store.(bulk.URLSigner)
		key, content := t.key("blob"), noise(100_000)
		t.put(key, content)
		for _, opts := range []bulk.SignOptions{
			{TTL: time.Minute, FileName: "results.json", ContentType: "application/json"},
			{TTL: time.Hour, FileName: "failed rows.csv", ContentType: "text/csv; charset=utf-8"},
			{TTL: time.Minute, FileName: `the "résultats" 名前.json`, ContentType: "application/octet-stream"},
		} {
			link, _ := t.sign(signer, key, opts)
			response := t.fetch(link)
			if response.status != http.StatusOK || string(response.body) != string(content) {
				t.Errorf("GET of a URL for %q: status %d with %d bytes, want 200 with %d bytes", opts.FileName, response.status, len(response.body), len(content))
				continue
			}
			if got := response.header.Get("Content-Type"); got != opts.ContentType {
				t.Errorf("Content-Type is %q, want %q", got, opts.ContentType)
			}
			disposition, params, err := mime.ParseMediaType(response.header.Get("Content-Disposition"))
			if err != nil || disposition != "attachment" || params["filename"] != opts.FileName {
				t.Errorf("Content-Disposition is %q, want an attachment with the file name %q", response.header.Get("Content-Disposition"), opts.FileName)
			}
		}
	},
}, {
	name: "SignURL/ReportsItsExpiry",
	rule: "the URL stops working at the time that is returned: at most ttl from now",
	run: func(t *blobTest) {
		signer := t.store.(bulk.URLSigner)
		key := t.key("blob")
		for _, ttl := range []time.Duration{time.Second, time.Minute, time.Hour} {
			before := time.Now()
			_, expires := t.sign(signer, key, bulk.SignOptions{TTL: ttl, FileName: "a.json"})
			if latest := time.Now().Add(ttl); expires.After(latest) {
				t.Errorf("a URL for %v expires %v late", ttl, expires.Sub(latest))
			}
			if expires.Before(before) {
				t.Errorf("a URL for %v expired before it was signed", ttl)
			}
		}
	},
}, {
	name: "SignURL/Expires",
	rule: "an expired URL is refused by the server",
	run: func(t *blobTest) {
		signer := t.store.(bulk.URLSigner)
		key := t.key("blob")
		t.put(key, []byte("content"))
		link, expires := t.sign(signer, key, bulk.SignOptions{TTL: time.Second, FileName: "a.json"})
		// The clock of a server may be a little behind ours.
		deadline := expires.Add(5 * time.Second)
		for {
			refused := t.fetch(link).status >= 400
			switch now := time.Now(); {
			case refused && now.After(expires):
				return
			case now.After(deadline):
				t.Fatalf("a URL that expired %v ago still works", now.Sub(expires))
			}
			time.Sleep(50 * time.Millisecond)
		}
	},
}, {
	name: "SignURL/AlteredIsRefused",
	rule: "an altered URL is refused by the server",
	run: func(t *blobTest) {
		signer := t.store.(bulk.URLSigner)
		key, other := t.key("blob"), t.key("blub")
		t.put(key, []byte("content"))
		t.put(other, []byte("other"))
		link, _ := t.sign(signer, key, bulk.SignOptions{TTL: time.Minute, FileName: "a.json", ContentType: "application/json"})
		u, err := url.Parse(link)
		if err != nil {
			t.Fatalf("parse URL: %v", err)
		}
		query := u.Query()
		if len(query) == 0 {
			t.Fatal("the URL has no query, and so no signature that could be altered")
		}
		refused := func(what string, altered url.URL) {
			t.Helper()
			if response := t.fetch(altered.String()); response.status < 400 {
				t.Errorf("with %s the URL answers %d", what, response.status)
			}
		}
		for name := range query {
			value := query.Get(name)
			for what, replacement := range map[string]string{
				"an altered first character": flip(value, 0), "an altered last character": flip(value, len(value)-1), "no value": "",
			} {
				if replacement == value {
					continue
				}
				changed := u.Query()
				changed.Set(name, replacement)
				altered := *u
				altered.RawQuery = changed.Encode()
				refused(fmt.Sprintf("%s of %s", what, name), altered)
			}
		}
		bare := *u
		bare.RawQuery = ""
		refused("no query", bare)
		// Another blob by the signature of this one.
		otherLink, _ := t.sign(signer, other, bulk.SignOptions{TTL: time.Minute, FileName: "a.json", ContentType: "application/json"})
		o, err := url.Parse(otherLink)
		if err != nil {
			t.Fatalf("parse URL: %v", err)
		}
		if o.Path != u.Path {
			o.RawQuery = u.RawQuery
			refused("the path of another blob", *o)
		}
	},
}, {
	name: "SignURL/DoesNotCheckTheBlob",
	rule: "SignURL does not check that the blob exists; the URL of one that does not serves nothing",
	run: func(t *blobTest) {
		signer := t.store.(bulk.URLSigner)
		link, _ := t.sign(signer, t.prefix+"nothing", bulk.SignOptions{TTL: time.Minute, FileName: "a.json"})
		if response := t.fetch(link); response.status < 400 {
			t.Errorf("the URL of a blob that does not exist answers %d", response.status)
		}
	},
}, {
	name: "SignURL/RefusesBadKeys",
	rule: "a store refuses a key that is not allowed with ErrBadBlobKey",
	run: func(t *blobTest) {
		signer := t.store.(bulk.URLSigner)
		for _, key := range badKeys(t.prefix) {
			if _, _, err := signer.SignURL(t.ctx, key, bulk.SignOptions{TTL: time.Minute, FileName: "a"}); !errors.Is(err, bulk.ErrBadBlobKey) {
				t.Errorf("SignURL of the key %q: error is %v, want %q", key, errText(err), bulk.ErrBadBlobKey)
			}
		}
	},
}}

func (t *blobTest) sign(signer bulk.URLSigner, key string, opts bulk.SignOptions) (string, time.Time) {
	t.Helper()
	link, expires, err := signer.SignURL(t.ctx, key, opts)
	if err != nil {
		t.Fatalf("SignURL: %v", err)
	}
	return link, expires
}

// A fetched is what a GET answered.
type fetched struct {
	status int
	header http.Header
	body   []byte
}

// fetch does a bare GET.
func (t *blobTest) fetch(link string) fetched {
	t.Helper()
	request, err := http.NewRequestWithContext(t.ctx, http.MethodGet, link, nil)
	if err != nil {
		t.Fatalf("make request: %v", err)
	}
	// A transport of its own: nothing is left over for a check of leaks.
	transport := &http.Transport{DisableKeepAlives: true}
	response, err := transport.RoundTrip(request)
	if err != nil {
		t.Fatalf("GET: %v", err)
	}
	defer closing(t.T, response.Body)
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatalf("GET: %v", err)
	}
	return fetched{response.StatusCode, response.Header, body}
}

// flip alters one character of a value, if it has any.
func flip(value string, at int) string {
	if value == "" {
		return "x"
	}
	c := byte('0')
	if value[at] == c {
		c = '1'
	}
	return value[:at] + string(c) + value[at+1:]
}
