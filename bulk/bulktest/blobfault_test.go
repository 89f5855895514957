package bulktest_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bulkops/bulkops/blob/memblob"
	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/bulk/bulktest"
)

var blobFaults = []fault{
	{sound, ""},
	{"blob is visible before it is complete", "Put/NotVisibleUntilComplete"},
	{"put replaces", "Put/RefusesKeyInUse"},
	{"put of the same content is done", "Put/RefusesKeyInUse"},
	{"key is checked outside the lock", "Put/OneOfManyWins"},
	{"what a failing reader yields is stored", "Put/FailingReaderLeavesNothing"},
	{"error of the reader is dropped from the chain", "Put/FailingReaderLeavesNothing"},
	{"an unexpected end is an end", "Put/FailingReaderLeavesNothing"},
	{"an error that wraps the end is an end", "Put/FailingReaderLeavesNothing"},
	{"data of a read that fails is stored", "Put/FailingReaderWithDataLeavesNothing"},
	{"a failed put keeps the key", "Put/FailingReaderLeavesNothing"},
	{"data that comes with the end is lost", "Put/StoresWhatTheReaderYields"},
	{"blobs end at 8 MiB", "Put/BigBlob"},
	{"empty blobs are not stored", "Put/EmptyBlob"},
	{"put ignores its context", "Put/CancelledLeavesNothing"},
	{"a cancelled put is taken back", "Put/WhatWasSeenStays"},
	{"get ignores its context", "Get/CancelledReadsFail"},
	{"delete ignores its context", "Delete/CancelledFails"},
	{"a missing blob is empty", "Get/MissingBlob"},
	{"keys ignore case", "Get/MissingBlob"},
	{"readers share a position", "Get/ReadersAreIndependent"},
	{"delete of a missing blob fails", "Delete/MissingBlobIsNoError"},
	{"delete removes by prefix", "Delete/RemovesTheBlob"},
	{"delete does nothing", "Delete/RemovesTheBlob"},
	{"any key is taken", "Keys/OthersAreRefused"},
	{"keys have 512 bytes at most", "Keys/AllowedOnesWork"},
	{"signature is not checked", "SignURL/AlteredIsRefused"},
	{"signature does not cover the key", "SignURL/AlteredIsRefused"},
	{"expiry is not checked", "SignURL/Expires"},
	{"expiry is reported late", "SignURL/ReportsItsExpiry"},
	{"content type is not served", "SignURL/ServesTheBlob"},
	{"file name is not encoded", "SignURL/ServesTheBlob"},
	{"credentials are needed", "SignURL/ServesTheBlob"},
	{"signing checks the blob", "SignURL/DoesNotCheckTheBlob"},
	{"any key is signed", "SignURL/RefusesBadKeys"},
}

func testBrokenBlobs(t *testing.T, fault string) {
	bulktest.TestBlobStore(t, func(t *testing.T) bulk.BlobStore {
		s := &brokenBlobs{fault: fault, Store: memblob.New()}
		s.server = httptest.NewServer(http.HandlerFunc(s.serve))
		t.Cleanup(s.server.Close)
		return s
	})
}

// brokenBlobs is a memblob.Store that signs URLs, with one fault.
type brokenBlobs struct {
	*memblob.Store
	fault  string
	server *httptest.Server
	once   sync.Once
	shared io.ReadCloser
}

func (s *brokenBlobs) has(fault string) bool { return s.fault == fault }

func (s *brokenBlobs) key(key string) string {
	switch s.fault {
	case "any key is taken":
		return hex.EncodeToString([]byte("k" + key))[:min(2+2*len(key), 900)]
	case "keys ignore case":
		return strings.ToLower(key)
	}
	return key
}

func (s *brokenBlobs) Put(ctx context.Context, key string, r io.Reader, info bulk.BlobInfo) error {
	key = s.key(key)
	inner := func(r io.Reader) error { return s.Store.Put(ctx, key, r, info) }
	background := context.Background()
	switch s.fault {
	case "blob is visible before it is complete":
		start, err := io.ReadAll(io.LimitReader(r, 900))
		if err != nil {
			return err
		}
		if err := inner(bytes.NewReader(start)); err != nil {
			return err
		}
		rest, err := io.ReadAll(r)
		must(s.Store.Delete(background, key))
		if err != nil {
			return err
		}
		return inner(io.MultiReader(bytes.NewReader(start), bytes.NewReader(rest)))
	case "put replaces":
		content, err := io.ReadAll(r)
		if err == nil {
			err = s.Store.Delete(ctx, key)
		}
		if err != nil {
			return err
		}
		return inner(bytes.NewReader(content))
	case "put of the same content is done":
		content, err := io.ReadAll(r)
		if err != nil {
			return err
		}
		if held, err := s.Store.Get(ctx, key); err == nil {
			same, err := io.ReadAll(held)
			must(err)
			if bytes.Equal(same, content) {
				return nil
			}
		}
		return inner(bytes.NewReader(content))
	case "key is checked outside the lock":
		if held, err := s.Store.Get(ctx, key); err == nil {
			must(held.Close())
			return bulk.ErrBlobExists
		}
		content, err := io.ReadAll(r)
		if err != nil {
			return err
		}
		time.Sleep(time.Millisecond)
		_ = s.Store.Delete(background, key) // a bad key fails below
		return inner(bytes.NewReader(content))
	case "what a failing reader yields is stored":
		content, failure := io.ReadAll(r)
		if err := inner(bytes.NewReader(content)); err != nil {
			return err
		}
		return failure
	case "error of the reader is dropped from the chain":
		if err := inner(r); err != nil && !errors.Is(err, bulk.ErrBlobExists) && !errors.Is(err, bulk.ErrBadBlobKey) && ctx.Err() == nil {
			return fmt.Errorf("put: %v", err)
		} else {
			return err
		}
	case "an unexpected end is an end":
		return inner(&endReader{r, func(err error) bool { return err == io.ErrUnexpectedEOF }})
	case "an error that wraps the end is an end":
		return inner(&endReader{r, func(err error) bool { return errors.Is(err, io.EOF) }})
	case "data of a read that fails is stored":
		return inner(&dataReader{r: r})
	case "a failed put keeps the key":
		content, failure := io.ReadAll(r)
		if failure != nil {
			must(s.Store.Put(background, key+".failed", strings.NewReader(""), info))
			return failure
		}
		if held, err := s.Store.Get(ctx, key+".failed"); err == nil {
			must(held.Close())
			return bulk.ErrBlobExists
		}
		return inner(bytes.NewReader(content))
	case "data that comes with the end is lost":
		return inner(&noDataAtEnd{r})
	case "blobs end at 8 MiB":
		return inner(io.LimitReader(r, 8<<20))
	case "empty blobs are not stored":
		content, err := io.ReadAll(r)
		if err != nil || len(content) == 0 {
			return err
		}
		return inner(bytes.NewReader(content))
	case "put ignores its context":
		return s.Store.Put(background, key, r, info)
	case "a cancelled put is taken back":
		err := inner(r)
		if err == nil && strings.HasSuffix(key, "/seen") {
			<-ctx.Done()
			must(s.Store.Delete(background, key))
			return ctx.Err()
		}
		return err
	case "keys have 512 bytes at most":
		if len(key) > 512 {
			return bulk.ErrBadBlobKey
		}
	}
	return inner(r)
}

// An endReader takes some errors for the end.
type endReader struct {
	r   io.Reader
	end func(error) bool
}

func (r *endReader) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	if err != nil && r.end(err) {
		err = io.EOF
	}
	return n, err
}

// A dataReader ends where a read fails and yields data.
type dataReader struct {
	r      io.Reader
	failed bool
}

func (r *dataReader) Read(p []byte) (int, error) {
	if r.failed {
		return 0, io.EOF
	}
	n, err := r.r.Read(p)
	if n > 0 && err != nil {
		r.failed = true
		return n, nil
	}
	return n, err
}

// noDataAtEnd drops what a read yields with io.EOF.
type noDataAtEnd struct{ r io.Reader }

func (r *noDataAtEnd) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	if err == io.EOF {
		n = 0
	}
	return n, err
}

func (s *brokenBlobs) Get(ctx context.Context, key string) (io.ReadCloser, error) {
	key = s.key(key)
	if s.has("get ignores its context") {
		ctx = context.WithoutCancel(ctx)
	}
	r, err := s.Store.Get(ctx, key)
	switch {
	case s.has("a missing blob is empty") && errors.Is(err, bulk.ErrBlobNotFound):
		return io.NopCloser(strings.NewReader("")), nil
	case s.has("readers share a position") && err == nil && strings.HasSuffix(key, "/blob"):
		s.once.Do(func() { s.shared = io.NopCloser(&lockedReader{r: r}) })
		return s.shared, nil
	}
	return r, err
}

// A lockedReader lets one read at a time.
type lockedReader struct {
	mu sync.Mutex
	r  io.Reader
}

func (r *lockedReader) Read(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.r.Read(p)
}

func (s *brokenBlobs) Delete(ctx context.Context, key string) error {
	key = s.key(key)
	switch s.fault {
	case "delete ignores its context":
		ctx = context.WithoutCancel(ctx)
	case "delete of a missing blob fails":
		r, err := s.Store.Get(ctx, key)
		if err != nil {
			return err
		}
		must(r.Close())
	case "delete removes by prefix":
		for _, other := range s.Keys() {
			if strings.HasPrefix(other, key) {
				must(s.Store.Delete(context.Background(), other))
			}
		}
	case "delete does nothing":
		_, err := s.Store.Get(ctx, key)
		if errors.Is(err, bulk.ErrBlobNotFound) {
			err = nil
		}
		return err
	}
	return s.Store.Delete(ctx, key)
}

func (s *brokenBlobs) SignURL(ctx context.Context, key string, opts bulk.SignOptions) (string, time.Time, error) {
	if s.has("any key is signed") {
		return s.server.URL, time.Now(), nil
	}
	switch r, err := s.Store.Get(ctx, s.key(key)); {
	case err == nil:
		must(r.Close())
	case errors.Is(err, bulk.ErrBlobNotFound) && !s.has("signing checks the blob"):
	default:
		return "", time.Time{}, err
	}
	expires := time.Now().Add(opts.TTL)
	query := url.Values{
		"expires": {strconv.FormatInt(expires.UnixNano(), 10)},
		"name":    {opts.FileName},
		"type":    {opts.ContentType},
	}
	query.Set("signature", s.signature(key, query))
	if s.has("expiry is reported late") {
		expires = expires.Add(opts.TTL)
	}
	return s.server.URL + "/" + key + "?" + query.Encode(), expires, nil
}

func (s *brokenBlobs) signature(key string, query url.Values) string {
	if s.has("signature does not cover the key") {
		key = ""
	}
	mac := hmac.New(sha256.New, []byte("secret"))
	fmt.Fprintf(mac, "%s\n%s\n%s\n%s", key, query.Get("expires"), query.Get("name"), query.Get("type"))
	return hex.EncodeToString(mac.Sum(nil))
}

func (s *brokenBlobs) serve(w http.ResponseWriter, r *http.Request) {
	key, query := strings.TrimPrefix(r.URL.Path, "/"), r.URL.Query()
	expires, _ := strconv.ParseInt(query.Get("expires"), 10, 64)
	switch {
	case query.Get("signature") != s.signature(key, query) && !s.has("signature is not checked"),
		time.Now().UnixNano() > expires && !s.has("expiry is not checked"),
		s.has("credentials are needed") && r.Header.Get("Authorization") == "":
		w.WriteHeader(http.StatusForbidden)
		return
	}
	blob, err := s.Store.Get(r.Context(), s.key(key))
	if err != nil {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	defer func() { _ = blob.Close() }()
	if !s.has("content type is not served") {
		w.Header().Set("Content-Type", query.Get("type"))
	}
	disposition := mime.FormatMediaType("attachment", map[string]string{"filename": query.Get("name")})
	if s.has("file name is not encoded") {
		disposition = `attachment; filename="` + query.Get("name") + `"`
	}
	w.Header().Set("Content-Disposition", disposition)
	_, _ = io.Copy(w, blob) // a reader that went away
}
