package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"runtime"
	"strings"
)

// page returns what docs/performance.md has of a run.
func (b *bench) page(ctx context.Context, goals []goal) (string, error) {
	var text strings.Builder
	fmt.Fprintf(&text, "%s\n\n%s", machine(ctx), table(goals, b.values))
	text.WriteString("\n### What is missed, and why\n\n")
	for _, g := range goals {
		for _, f := range g.figures {
			if v := f.of(b.values); len(v) > 0 && !f.met(median(v)) {
				fmt.Fprintf(&text, "- **%s**: %s\n", g.id, cmp.Or(g.missed, "the cause is not known."))
				break
			}
		}
	}
	text.WriteString("\n### How each is measured\n\n")
	for _, g := range goals {
		fmt.Fprintf(&text, "- **%s**: %s\n", g.id, g.how)
		var last source
		for _, f := range g.figures {
			if f.source != last {
				fmt.Fprintf(&text, "  `%s`\n", f.command())
			}
			last = f.source
		}
	}
	text.WriteString("\n### Where processor time and bytes go\n\n")
	profiles, err := b.profilePage(ctx)
	text.WriteString(profiles)
	return text.String(), err
}

// machine says on what was measured.
func machine(ctx context.Context) string {
	text := fmt.Sprintf("%s, %d cores, %s/%s, %s.", processor(ctx), runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version())
	if servers := os.Getenv("BULKOPS_TEST_SERVERS"); servers != "" {
		text += " Servers: " + servers + ", on the same machine."
	}
	if load, err := os.ReadFile("/proc/loadavg"); err == nil {
		text += " Load of the machine at the end: " + strings.Join(strings.Fields(string(load))[:3], ", ") + "."
	}
	return text
}

func processor(ctx context.Context) string {
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(text)) {
			if name, model, _ := strings.Cut(line, ":"); strings.TrimSpace(name) == "model name" {
				return strings.TrimSpace(model)
			}
		}
	}
	if text, err := output(ctx, ".", "sysctl", "-n", "machdep.cpu.brand_string"); err == nil {
		return strings.TrimSpace(text)
	}
	return "an unknown processor"
}
