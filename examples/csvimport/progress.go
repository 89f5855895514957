package main

import (
	"fmt"
	"io"
	"os"
	"strings"
)

// A progress shows how many rows are done: as a bar that is drawn again in its
// place on a terminal, and as a line every tenth of the way elsewhere.
type progress struct {
	out      io.Writer
	total    int
	terminal bool
	shown    int // percent, -1 at first
}

func newProgress(out io.Writer, total int) *progress {
	return &progress{out: out, total: total, terminal: isTerminal(out), shown: -1}
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

const barWidth = 40

// show shows that so many rows are done.
func (p *progress) show(done int) {
	percent := 100 * done / max(p.total, 1)
	switch {
	case p.terminal && percent != p.shown:
		filled := barWidth * percent / 100
		fmt.Fprintf(p.out, "\r[%s%s] %3d %%  %s of %s", strings.Repeat("#", filled), strings.Repeat(".", barWidth-filled),
			percent, thousands(done), thousands(p.total))
	case !p.terminal && (p.shown < 0 || percent/10 > p.shown/10):
		fmt.Fprintf(p.out, "%3d %%  %s of %s\n", percent, thousands(done), thousands(p.total))
	default:
		return
	}
	p.shown = percent
}

// end leaves the line of the bar.
func (p *progress) end() {
	if p.terminal && p.shown >= 0 {
		fmt.Fprintln(p.out)
	}
}

// thousands formats n with commas.
func thousands(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", thousands(n/1000), n%1000)
}
