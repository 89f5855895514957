package exchange

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// echo answers with what it reads of the body, in pieces.
var echo = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	text, _ := io.ReadAll(io.LimitReader(r.Body, 5))
	w.Header().Set("X-Sent", "1")
	switch r.URL.Path {
	case "/panic":
		_, _ = w.Write(text)
		panic(http.ErrAbortHandler)
	case "/silent":
		return
	case "/twice":
		w.WriteHeader(http.StatusTeapot)
		w.WriteHeader(http.StatusOK)
	}
	for _, b := range text {
		_, _ = w.Write([]byte{b})
	}
	w.Header().Set("X-Sent", "too late")
})

func TestRecordedExchangesAreTheSame(t *testing.T) {
	dir := t.TempDir()
	t.Setenv(Folder, dir)
	var seen []*Exchange
	handler := Record(t, Watch(echo, func(e *Exchange) { seen = append(seen, e) }))
	for _, target := range []string{"/a%2Fb?x=%00", "/silent", "/twice"} {
		rec := httptest.NewRecorder()
		r := httptest.NewRequest("POST", target, strings.NewReader("\x00\xffabcdef"))
		r.Header.Add("X-Twice", "1")
		r.Header.Add("X-Twice", "2")
		handler.ServeHTTP(rec, r)
		e := seen[len(seen)-1]
		assert.Equal(t, rec.Body.String(), string(e.Body))
		assert.Equal(t, "\x00\xffabc", string(e.Sent), "as far as it was read")
		assert.Equal(t, "1", e.AnswerHeader.Get("X-Sent"), "as it was sent")
	}
	assert.Equal(t, []int{200, 200, http.StatusTeapot}, []int{seen[0].Status, seen[1].Status, seen[2].Status})

	all, err := Read(dir)
	require.NoError(t, err)
	require.Len(t, all, len(seen))
	byURL := map[string]*Exchange{}
	for _, e := range all {
		assert.Equal(t, t.Name(), e.Test)
		e.Test = ""
		byURL[e.URL.String()] = e
	}
	for _, want := range seen {
		if want.Body == nil {
			want.Body = byURL[want.URL.String()].Body // nothing either way
			assert.Empty(t, want.Body)
		}
		if diff := cmp.Diff(want, byURL[want.URL.String()]); diff != "" {
			t.Errorf("%s: recorded (+) and seen (-):\n%s", want.URL, diff)
		}
	}
}

// An answer that breaks off, or that nobody takes, is none.
func TestAnswersThatBreakOffAreNotSeen(t *testing.T) {
	handler := Watch(echo, func(e *Exchange) { t.Errorf("seen: %+v", e) })
	assert.PanicsWithValue(t, http.ErrAbortHandler, func() {
		handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("POST", "/panic", strings.NewReader("x")))
	})
	handler.ServeHTTP(gone{httptest.NewRecorder()}, httptest.NewRequest("POST", "/", strings.NewReader("x")))
}

// gone is a caller that does not take the answer.
type gone struct{ http.ResponseWriter }

func (gone) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

func TestNothingIsRecordedWithoutAFolder(t *testing.T) {
	t.Setenv(Folder, "")
	rec := httptest.NewRecorder()
	Record(t, echo).ServeHTTP(rec, httptest.NewRequest("POST", "/", strings.NewReader("abc")))
	assert.Equal(t, "abc", rec.Body.String())
	t.Setenv(Folder, "/does/not/exist")
	var told complaint
	Record(&told, echo).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("POST", "/", strings.NewReader("abc")))
	assert.Contains(t, told.text, "$"+Folder, "rule: what cannot be recorded is told")
}

type complaint struct{ text string }

func (*complaint) Name() string { return "test" }
func (c *complaint) Errorf(format string, args ...any) {
	c.text += fmt.Sprintf(format, args...)
}
