//go:build unix

package soak

import (
	"context"
	"errors"
	"flag"
	"log/slog"
	"time"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/test/soak/audit"
)

// A Backend is what a run imports into: servers, and the way of processes to them.
// URLs are of the servers or of proxies before them, one for each server.
type Backend interface {
	// Flags adds the backend's own flags to those of the command line, and Check says
	// what is wrong with what they were set to.
	Flags(flags *flag.FlagSet)
	Check() error
	// Servers returns the servers, the one with the users first. They keep their data
	// and logs in the folder dir, which is there.
	Servers(ctx context.Context, dir string) ([]*Server, error)
	// Create makes tables and buckets.
	Create(ctx context.Context, urls []string) error
	// Proxy starts a proxy before a server and returns its URL. It takes every call
	// through the link, and ends with ctx. A call that has come is delivered whatever
	// becomes of its process meanwhile.
	Proxy(ctx context.Context, url string, link Link) (string, error)
	// Open returns the servers as the process of that name uses them, until ctx ends.
	Open(ctx context.Context, name string, urls []string) (*Opened, error)
	// Points are the calls at which faults are made on purpose.
	Points() []Point
}

// Opened is what a process has of a [Backend].
type Opened struct {
	Store bulk.Store
	Blobs bulk.BlobStore
	Jobs  bulk.JobQueue
	Keys  bulk.IdempotencyKeyStore
	Host  Host
}

// A Host is a program that writes to users without imports.
type Host interface {
	// Count adds one to a number that the host alone has with each user.
	Count(ctx context.Context, u audit.User) error
	// Set sets a custom field to 1.
	Set(ctx context.Context, u audit.User, field string) error
	// Move gives a user an address if it still has another one that is known.
	Move(ctx context.Context, u audit.User, from, to string) error
	// Users returns all users, and Claims who has which address.
	Users(ctx context.Context) ([]HostUser, error)
	Claims(ctx context.Context) ([]audit.Claim, error)
}

// ErrRefused is for a write of a [Host] whose condition failed, so that nothing was
// written. Any other error leaves open whether it was.
var ErrRefused = errors.New("the condition failed")

// A HostUser is a user as it is stored.
type HostUser struct {
	bulk.User
	Tenant  string
	Counter int // see Host.Count
}

// syncThreshold is the number of rows from which on a request becomes a job.
const syncThreshold = 50

// settings are what each process of a run has to know.
type settings struct {
	Name        string
	URLs        []string
	Lease       time.Duration
	Reservation time.Duration // see shortKeys
}

// open returns the backend as a process with these settings uses it.
func (s settings) open(ctx context.Context, b Backend, logger *slog.Logger) (*Opened, bulk.Config, error) {
	o, err := b.Open(ctx, s.Name, s.URLs)
	if err != nil {
		return nil, bulk.Config{}, err
	}
	return o, bulk.Config{
		Store: o.Store, Blobs: o.Blobs, Jobs: o.Jobs, IdempotencyKeys: shortKeys{o.Keys, s.Reservation},
		Logger:        logger,
		WorkerName:    s.Name,
		SyncThreshold: syncThreshold,
		SegmentRows:   40,
		Parallel:      4,
		Lease:         s.Lease,
		Poll:          50 * time.Millisecond,
		StopGrace:     time.Second,
		MaxAttempts:   12,
	}, nil
}
