//go:build unix

package soak

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/test/soak/audit"
)

// A driver runs everything: the servers, the processes that are killed, what they
// are given to do, and the faults.
type driver struct {
	options
	settings settings // of a process
	dir      string
	start    time.Time
	out      io.Writer

	servers  []*Server
	links    []*link // to the servers
	opened   *Opened // past the links
	importer *bulk.Importer
	auditor  *audit.Auditor
	plan     plan
	counts   *counts
	jobs     *tracker
	fleet    *fleet
	window   *sightings

	failed  chan error // the first error that ends the run
	failing sync.Once
}

// principal is who sends an import. Its id leads from a job back to the import.
func principal(tenant, name string) bulk.Principal {
	return bulk.Principal{ID: name, Tenant: tenant, Role: bulk.RoleAdmin}
}

// now is the time since the start of the run.
func (d *driver) now() time.Duration { return time.Since(d.start) }

// fail ends the run for a reason that is not the library's.
func (d *driver) fail(err error) {
	d.failing.Do(func() { d.failed <- err })
}

// drive runs the soak and returns the findings.
func drive(ctx context.Context, o options, out io.Writer) (*driver, []audit.Finding, error) {
	dir, err := filepath.Abs(o.dir) // servers run in other folders
	if err == nil {
		dir, err = os.MkdirTemp(dir, "soak-")
	}
	if err != nil {
		return nil, nil, err
	}
	d := &driver{
		options: o, dir: dir, start: time.Now(), out: out, auditor: audit.New(), plan: plan{seed: o.seed},
		counts: newCounts(), failed: make(chan error, 1), window: new(sightings),
	}
	findings, err := d.run(ctx)
	if err == nil && len(findings) == 0 && !o.keep {
		return d, findings, os.RemoveAll(dir)
	}
	fmt.Fprintf(out, "findings, logs and data are in %s\n", dir)
	return d, findings, errors.Join(err, d.keepFindings(findings))
}

func (d *driver) run(ctx context.Context) ([]audit.Finding, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case err := <-d.failed:
			cancel(err)
		case <-ctx.Done():
		}
	}()
	defer func() {
		for _, s := range d.servers {
			s.stop(s.Stop)
		}
	}()
	if err := d.serve(ctx); err != nil {
		return nil, err
	}
	if err := d.prepare(ctx); err != nil {
		return nil, err
	}
	if err := d.connect(ctx); err != nil {
		return nil, err
	}
	d.fleet = newFleet(d)
	defer d.fleet.end()
	err := d.disturb(ctx)
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	if err != nil {
		return d.auditor.Findings(), err
	}
	d.fleet.end()
	return d.finish(ctx)
}

// serve starts the servers.
func (d *driver) serve(ctx context.Context) (err error) {
	d.settings = settings{Name: "driver", Lease: d.lease, Reservation: d.reservation}
	if d.servers, err = d.backend.Servers(ctx, d.dir); err != nil {
		return err
	}
	for _, s := range d.servers {
		if err := s.start(ctx); err != nil {
			return err
		}
		d.settings.URLs = append(d.settings.URLs, s.URL)
	}
	return nil
}

// connect puts the network between the servers and the processes to come.
func (d *driver) connect(ctx context.Context) (err error) {
	urls := make([]string, len(d.servers))
	for i, s := range d.servers {
		l := &link{d: d}
		if urls[i], err = d.backend.Proxy(ctx, s.URL, l.deliver); err != nil {
			return err
		}
		d.links = append(d.links, l)
	}
	d.settings.URLs = urls
	return nil
}

// prepare makes tables and buckets, and the users that are there from the start.
func (d *driver) prepare(ctx context.Context) error {
	if err := d.backend.Create(ctx, d.settings.URLs); err != nil {
		return err
	}
	log, err := os.Create(filepath.Join(d.dir, "driver.log"))
	if err != nil {
		return err
	}
	var cfg bulk.Config
	if d.opened, cfg, err = d.settings.open(ctx, d.backend, slog.New(slog.NewTextHandler(log, nil))); err != nil {
		return err
	}
	if d.importer, err = bulk.NewImporter(cfg); err != nil {
		return err
	}
	d.jobs = newTracker(d)
	for _, tenant := range tenants {
		im := seeds(tenant)
		d.importHere(ctx, im)
	}
	return ctx.Err()
}

// disturb sends imports and makes faults until there were enough of them, and then
// lets everything come to its end without any.
func (d *driver) disturb(ctx context.Context) error {
	traffic, stopTraffic := context.WithCancel(ctx)
	defer stopTraffic()
	watch, stopWatch := context.WithCancel(ctx)
	defer stopWatch()
	var sending, watching sync.WaitGroup
	watching.Go(func() { d.jobs.follow(watch) })
	watching.Go(func() { d.observe(traffic, watch) })
	watching.Go(func() { d.progress(watch) })
	sending.Go(func() { d.submit(traffic) })
	sending.Go(func() { d.host(traffic) })
	var clients sync.WaitGroup
	patience, stopPatience := context.WithCancel(ctx)
	defer stopPatience()
	for i := range d.clients {
		clients.Go(func() { d.client(traffic, patience, i) })
	}

	err := d.chaos(ctx)
	fmt.Fprintf(d.out, "%6.1fs  no more faults: everything has to end within %v\n", d.now().Seconds(), d.drain)
	d.fleet.unharmed()
	stopTraffic()
	sending.Wait()
	giveUp := time.AfterFunc(d.drain, stopPatience)
	clients.Wait()
	d.discover(patience)
	d.jobs.await(patience)
	d.jobs.lookAgain(patience)
	giveUp.Stop()
	stopWatch()
	watching.Wait()
	return err
}

// importHere makes a synchronous import in this process, which nobody kills.
func (d *driver) importHere(ctx context.Context, im audit.Import) {
	d.auditor.Begin(im, d.now())
	a := accept(ctx, d.importer, request{Principal: principal(im.Tenant, im.Name), Options: im.Options, Rows: jsonOfAll(im.Rows)})
	d.answered(im, a)
}

// answered tells the auditor what an importer has answered to a request without an
// idempotency key, or finally answered to one with a key.
func (d *driver) answered(im audit.Import, a answer) {
	switch {
	case a.Report != nil:
		d.auditor.Answered(im.Name, audit.Answer{Results: a.Report.Results, Summaries: []bulk.Summary{a.Report.Summary}}, d.now())
	case a.Job != "":
		d.jobs.track(im, a.Job)
	case a.Refused:
		d.auditor.Refused(im.Name, d.now())
	default:
		d.auditor.Unanswered(im.Name)
	}
}

// submit keeps the workers busy with jobs.
func (d *driver) submit(ctx context.Context) {
	random := rand.New(rand.NewPCG(d.seed, 1))
	for ctx.Err() == nil {
		if d.jobs.active() > d.workers+2 {
			pause(ctx, 30*time.Millisecond)
			continue
		}
		im, _ := d.plan.next(kindJob)
		d.auditor.Begin(im, d.now())
		a := accept(context.WithoutCancel(ctx), d.importer, request{
			Principal: principal(im.Tenant, im.Name), Options: im.Options, Rows: jsonOfAll(im.Rows), Async: true,
		})
		d.answered(im, a)
		pause(ctx, time.Duration(random.IntN(100))*time.Millisecond)
	}
}

// progress says from time to time how far the run is.
func (d *driver) progress(ctx context.Context) {
	for pause(ctx, 5*time.Second) {
		t := d.auditor.Tally()
		fmt.Fprintf(d.out, "%6.1fs  %d kills, %d stops, %d imports sent, %d rows seen applied, %d active jobs, %d findings\n", d.now().Seconds(),
			d.counts.sum(kills...), d.counts.sum(stops...), d.plan.made.Load(), t.Sightings, d.jobs.active(), len(d.auditor.Findings()))
	}
}

// pause waits, and reports whether ctx has not ended.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// errMissed is for a run that did not make all the faults that it was to make.
var errMissed = errors.New("not all faults happened in the time")
