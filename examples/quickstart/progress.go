package main

import (
	"fmt"
	"io"
	"os"
	"strings"
)

// A progress shows how far a job is: as a bar that is drawn again in its place
// on a terminal, and as a line every quarter of the way elsewhere.
type progress struct {
	out      io.Writer
	terminal bool
	shown    int // percent, -1 at first
	drawn    bool
}

func newProgress(out io.Writer) *progress {
	return &progress{out: out, terminal: isTerminal(out), shown: -1}
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

// show shows that done of total users are done.
func (p *progress) show(done, total int) {
	percent := 100 * done / max(total, 1)
	if p.terminal {
		if percent == p.shown {
			return
		}
		filled := barWidth * percent / 100
		fmt.Fprintf(p.out, "\r[%s%s] %3d %%  %s of %s", strings.Repeat("#", filled), strings.Repeat(".", barWidth-filled),
			percent, thousands(done), thousands(total))
		p.shown, p.drawn = percent, true
		return
	}
	if p.shown < 0 || percent/25 > p.shown/25 {
		fmt.Fprintf(p.out, "%3d %%  %s of %s\n", percent, thousands(done), thousands(total))
		p.shown = percent
	}
}

// end leaves the line of the bar.
func (p *progress) end() {
	if p.drawn {
		fmt.Fprintln(p.out)
	}
}

// thousands formats n with commas.
func thousands(n int) string {
	if n < 0 {
		return "-" + thousands(-n)
	}
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", thousands(n/1000), n%1000)
}
