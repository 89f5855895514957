package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/httpapi/client"
)

// A progress shows how many rows are done: as a bar that is drawn again in its
// place on a terminal, and as a line every tenth of the way elsewhere. The service
// tells every few seconds how far it is; between two times the bar moves on at the
// rate that the service gives. A nil progress shows nothing.
type progress struct {
	out      io.Writer
	total    int
	terminal bool
	stop     func() // the drawing of the bar

	mu       sync.Mutex
	done     int       // rows
	accepted int       // rows that the service has
	rate     float64   // rows a second, 0 if it is not known
	at       time.Time // when that was so
	pending  string    // the job that waits for a worker, "" for none
	told     string    // of which job that has been said
	shown    int       // rows, -1 at first
	line     string    // that the bar is drawn in
}

// drawEvery is how often the bar is drawn.
const drawEvery = 100 * time.Millisecond

func newProgress(out io.Writer, total int) *progress {
	p := &progress{out: out, total: total, terminal: isTerminal(out), shown: -1, stop: func() {}}
	if p.terminal {
		p.start()
	}
	return p
}

// isTerminal reports whether out is a terminal, or at least no file or pipe.
func isTerminal(out io.Writer) bool {
	file, ok := out.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// start draws the bar until stop is called.
func (p *progress) start() {
	var drawing sync.WaitGroup
	done := make(chan struct{})
	p.stop = sync.OnceFunc(func() {
		close(done)
		drawing.Wait()
	})
	drawing.Go(func() {
		ticker := time.NewTicker(drawEvery)
		defer ticker.Stop()
		for {
			p.draw()
			select {
			case <-ticker.C:
			case <-done:
				return
			}
		}
	})
}

// set takes over what the service told.
func (p *progress) set(state client.Progress) {
	p.mu.Lock()
	defer p.mu.Unlock()
	before := p.pending
	p.done, p.accepted, p.at = state.Summary.Processed(), state.Accepted, time.Now()
	p.rate, p.pending = 0, ""
	if job := state.Job; job != nil {
		if job.Rate != nil {
			p.rate = *job.Rate
		}
		if job.Status == bulk.JobPending {
			p.pending = job.ID
		}
	}
	if p.terminal {
		return
	}
	// A job that has just been made is not worth a line.
	if p.pending != "" && p.pending == before && p.told != p.pending {
		p.told = p.pending
		fmt.Fprintln(p.out, "waiting for a worker")
	}
	p.printLine()
}

// printLine prints a line if another tenth is done.
func (p *progress) printLine() {
	tenth := func(rows int) int { return 10 * rows / max(p.total, 1) }
	if p.shown < 0 || tenth(p.done) > tenth(p.shown) {
		p.shown = p.done
		fmt.Fprintf(p.out, "%3d %%  %s of %s\n", 100*p.done/max(p.total, 1), thousands(p.done), thousands(p.total))
	}
}

const barWidth = 40

// draw draws the bar.
func (p *progress) draw() {
	p.mu.Lock()
	defer p.mu.Unlock()
	// Never back, and never ahead of what the service has.
	guess := p.done + int(p.rate*time.Since(p.at).Seconds())
	p.shown = max(p.done, min(guess, p.accepted), min(p.shown, p.accepted))
	filled := barWidth * p.shown / max(p.total, 1)
	line := fmt.Sprintf("[%s%s] %3d %%  %s of %s", strings.Repeat("#", filled), strings.Repeat(".", barWidth-filled),
		100*p.shown/max(p.total, 1), thousands(p.shown), thousands(p.total))
	switch {
	case p.pending != "":
		line += "  waiting for a worker"
	case p.rate > 0 && p.shown < p.total:
		line += fmt.Sprintf("  about %s left", time.Duration(float64(p.total-p.shown)/p.rate*float64(time.Second)).Round(time.Second))
	}
	if line != p.line {
		fmt.Fprintf(p.out, "\r%s%s", line, strings.Repeat(" ", max(0, len(p.line)-len(line))))
		p.line = line
	}
}

// leave leaves the line of the bar, so that something else can be shown. It is drawn
// again below.
func (p *progress) leave() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.line != "" {
		fmt.Fprintln(p.out)
		p.line = ""
	}
}

// end shows how far it came, and no more.
func (p *progress) end() {
	p.stop()
	if p.terminal {
		p.draw()
	}
	p.leave()
}
