package httpapi

import (
	"errors"
	"io"
	"net/http"
	"os"
	"sync/atomic"
	"time"
)

// An arrival is a body as it is sent, which has to keep on arriving. Where the server
// allows it, a read is given up when its time is over; elsewhere that is seen as soon
// as the read returns.
type arrival struct {
	io.ReadCloser
	control *http.ResponseController
	idle    time.Duration // that a read may take
	end     time.Time     // of the time for the whole body
	left    int64         // bytes that are still to come; negative if not known
	ended   atomic.Bool
}

func newArrival(c *call, idle, whole time.Duration) *arrival {
	// The server's own bound counts too, and is lost by setting another.
	if server, ok := c.r.Context().Value(http.ServerContextKey).(*http.Server); ok && server.ReadTimeout > 0 {
		whole = min(whole, server.ReadTimeout)
	}
	return &arrival{
		ReadCloser: c.r.Body,
		control:    http.NewResponseController(c.w.ResponseWriter),
		idle:       idle,
		end:        time.Now().Add(whole),
		left:       c.r.ContentLength,
	}
}

func (a *arrival) Read(p []byte) (int, error) {
	now := time.Now()
	if !now.Before(a.end) {
		return 0, tooSlow()
	}
	deadline := now.Add(a.idle)
	if a.end.Before(deadline) {
		deadline = a.end
	}
	// Servers that have no deadlines say so, and the others have none to set when the
	// connection is broken: the read tells that.
	_ = a.control.SetReadDeadline(deadline)
	n, err := a.ReadCloser.Read(p)
	a.left -= int64(n)
	switch {
	case err == io.EOF || a.left == 0:
		a.ended.Store(true) // where net/http takes the deadline away
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = tooSlow()
	}
	return n, err
}

// tooSlow is a body that did not arrive in time.
func tooSlow() *problem {
	return &problem{status: http.StatusRequestTimeout, code: codeRequestTimeout, message: "the body did not arrive in time"}
}
