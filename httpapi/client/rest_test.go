package client_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/httpapi/client"
)

// rest returns the failed rows of a text, of which those that can be are imported.
func rest(t *testing.T, w *world, format client.CSVFormat, text string) string {
	t.Helper()
	im, err := w.client(func(c *client.Config) { c.MaxUsers = 2 }).Import(t.Context(), format.Source(strings.NewReader(text)), nil)
	require.NoError(t, err)
	var b strings.Builder
	require.NoError(t, im.WriteRest(t.Context(), &b, strings.NewReader(text), format, nil))
	return b.String()
}

func TestRestOfAText(t *testing.T) {
	const notes = "\ufeff_index,_line,_status,_errors,"
	const reason = `"INVALID_EMAIL: email must be an address like name@example.com without spaces or control characters, at most 320 characters"`
	for name, test := range map[string]struct {
		format     client.CSVFormat
		text, want string
	}{
		"as it stands": {text: "userId,email,customFields.a\r\na,a@example.com,x\r\n\r\nb,x,\"two\r\n\"\"lines\"\"\"\r\nc,x,6'2\"",
			want: notes + "userId,email,customFields.a\r\n1,4,failed," + reason + ",b,x,\"two\r\n\"\"lines\"\"\"\r\n2,6,failed," + reason + ",c,x,6'2\"\r\n"},
		"formulas": {text: "email,metadata.a,metadata.b,metadata.c,metadata.d:number\nx,=1+1,'+x,a;@b,-5\n",
			want: notes + "email,metadata.a,metadata.b,metadata.c,metadata.d:number\n0,2,failed," + reason + ",x,'=1+1,'+x,\"a;'@b\",-5\n"},
		"notes of an earlier time": {text: "_errors,_index,email,_line,metadata.a,_rest\ne,7,x,8,\"'=a;'=b\",r\n",
			want: notes + "email,metadata.a,_rest\n0,2,failed," + reason + ",x,\"'=a;'=b\",r\n"},
		"another separator": {text: "email;metadata.a\nx;1,5\n",
			want: strings.ReplaceAll(notes, ",", ";") + "email;metadata.a\n0;2;failed;" + reason + ";x;\"1,5\"\n"},
		"renamed columns": {format: client.CSVFormat{Rename: map[string]string{"Mail": "email", "x": ""}}, text: "Mail,x\nx,y\n",
			want: notes + "Mail,x\n0,2,failed," + reason + ",x,y\n"},
		"surplus cells": {text: "userId\na" + strings.Repeat(",", 2500) + "b\n",
			want: notes + "userId\n0,2,failed,\"INVALID_USER: the record has 2501 cells; the limit is 2000\",a" + strings.Repeat(",", 2500) + "b\n"},
		"nothing failed": {text: "userId\na\n", want: notes + "userId\n"},
	} {
		inWorld(t, func(t *testing.T, w *world) {
			assert.Equal(t, test.want, rest(t, w, test.format, test.text), name)
		})
	}
}

// What was written is mended, and is what it was before.
func TestRestIsImportedWithoutLoss(t *testing.T) {
	const text = "userId,email,metadata.a,metadata.b:json,metadata.c:number\n" +
		"u,x,\"=1;=2|+3\n@4\",\"{\"\"k;=1\"\":\"\";=2\"\"}\",-5\nv,x,'=1,\"\",\nw,x,''=1;'=2,[1],-0.50\n"
	users := func(w *world) (all []string) {
		for _, id := range []string{"u", "v", "w"} {
			user, ok := w.store.Get("acme", id)
			require.True(t, ok)
			all = append(all, user.Metadata.String())
		}
		return all
	}
	mend := func(text string) string {
		return strings.NewReplacer("u,x,", "u,u@example.com,", "v,x,", "v,v@example.com,", "w,x,", "w,w@example.com,").Replace(text)
	}
	var want []string
	inWorld(t, func(t *testing.T, w *world) {
		rest(t, w, client.CSVFormat{}, mend(text))
		want = users(w)
	})
	inWorld(t, func(t *testing.T, w *world) {
		once := rest(t, w, client.CSVFormat{}, text)
		assert.Equal(t, once, rest(t, w, client.CSVFormat{}, once)+"", "rule: what failed again is written as before")
		rest(t, w, client.CSVFormat{}, mend(once))
		assert.Equal(t, want, users(w))
	})
}

// What the service did not come to, and what was never sent, is left to be imported.
func TestRestOfABrokenImport(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.before = func(_ int, rec http.ResponseWriter, r *http.Request) bool {
			posts, _ := w.posts()
			if r.Method != http.MethodPost || len(posts) < 2 {
				return false
			}
			rec.WriteHeader(http.StatusRequestEntityTooLarge)
			return true
		}
		opts := bulk.DefaultOptions()
		opts.MaxFailed, opts.UpdateOnly = new(0), true
		require.NoError(t, w.store.Put("acme", bulk.User{ID: "u0"}))
		text := table(160)
		im, err := w.client(func(c *client.Config) { c.MaxUsers = 60 }).Import(t.Context(), client.CSV(strings.NewReader(text)), &client.Options{Import: &opts})
		require.Error(t, err)
		var statuses = map[bulk.Status]int{}
		see := func(r bulk.RowResult) { statuses[r.Status]++ }
		var b strings.Builder
		require.NoError(t, im.WriteRest(t.Context(), &b, strings.NewReader(text), client.CSVFormat{}, see))
		assert.Equal(t, map[bulk.Status]int{bulk.StatusFailed: im.Summary().Failed, bulk.StatusNotProcessed: 159 - im.Summary().Failed}, statuses)
		assert.True(t, strings.HasSuffix(b.String(), "159,161,notProcessed,,u159,u159@example.com\n"), b.String())

		broken := errors.New("disk full")
		assert.ErrorIs(t, im.WriteRest(t.Context(), brokenWriter{broken}, strings.NewReader(text), client.CSVFormat{}, nil), broken)
		assert.ErrorIs(t, im.WriteRest(t.Context(), &b, failingReader{broken}, client.CSVFormat{}, nil), broken)
	})
	inWorld(t, func(t *testing.T, w *world) {
		im, err := w.client().Import(t.Context(), client.CSV(strings.NewReader("userId,email\na,x\n")), &client.Options{Async: true})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		var b strings.Builder
		assert.ErrorIs(t, im.WriteRest(ctx, &b, strings.NewReader("userId,email\na,x\n"), client.CSVFormat{}, nil), context.Canceled)
	})
}

type brokenWriter struct{ err error }

func (w brokenWriter) Write([]byte) (int, error) { return 0, w.err }
