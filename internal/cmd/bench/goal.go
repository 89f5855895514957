package main

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

// A goal is a row of the table.
type goal struct {
	id, what string
	how      string // it is measured
	before   string // the figure of November 2026, before anything was done about it
	missed   string // why, if it is
	figures  []figure
}

// A figure is a number that a goal is about.
type figure struct {
	source
	// part is the part of the source whose value it is, if that has several; with a *
	// at its end the worst of all parts that begin so.
	part string
	unit string // of the metric, or the name of the attribute
	name string // in the table, "" for a goal with one figure

	limit float64
	least bool // the goal is at least the limit, and not at most
	fact  bool // there is no goal
	// tolerance is set for what does not depend on the machine: how far it may be from the
	// count that was committed, as a part of it.
	tolerance float64
	counted   bool
}

// of returns the values of the figure, one for each run.
func (f *figure) of(values map[key][]float64) []float64 {
	prefix, worst := strings.CutSuffix(cmp.Or(f.part, f.source.name), "*")
	if !worst {
		return values[key{f.source, prefix, f.unit}]
	}
	var of []float64
	for k, v := range values {
		if k.source != f.source || k.unit != f.unit || !strings.HasPrefix(k.part, prefix) {
			continue
		}
		for i := range v {
			switch {
			case i == len(of):
				of = append(of, v[i])
			case f.least:
				of[i] = min(of[i], v[i])
			default:
				of[i] = max(of[i], v[i])
			}
		}
	}
	return of
}

// met reports whether a value is what the goal asks for.
func (f *figure) met(value float64) bool {
	switch {
	case f.fact:
		return true
	case f.least:
		return value >= f.limit
	default:
		return value <= f.limit
	}
}

func (f *figure) goal() string {
	switch {
	case f.fact:
		return ""
	case f.least:
		return "≥ " + number(f.limit)
	default:
		return "≤ " + number(f.limit)
	}
}

// show returns the median of the runs, with the range if there were several.
func show(values []float64) string {
	text := number(median(values))
	if low, high := extremes(values); number(low) != number(high) {
		text += fmt.Sprintf(" (%s–%s)", number(low), number(high))
	}
	return text
}

func extremes(values []float64) (low, high float64) {
	low, high = values[0], values[0]
	for _, v := range values {
		low, high = min(low, v), max(high, v)
	}
	return low, high
}

// number writes what people read: three digits, and thousands apart.
func number(x float64) string {
	switch {
	case x >= 1000:
		text := strconv.FormatFloat(x, 'f', 0, 64)
		for i := len(text) - 3; i > 0; i -= 3 {
			text = text[:i] + "," + text[i:]
		}
		return text
	case x >= 100 || x == float64(int(x)):
		return strconv.FormatFloat(x, 'f', 0, 64)
	default:
		return strings.TrimSuffix(strconv.FormatFloat(x, 'f', 2, 64), "0")
	}
}

// table returns the goals as Markdown, a line for each figure.
func table(goals []goal, values map[key][]float64) string {
	var b strings.Builder
	b.WriteString("| | what | figure | goal | | before |\n| --- | --- | --: | --: | --- | --- |\n")
	for _, g := range goals {
		for i, f := range g.figures {
			id, what, before := g.id, g.what, g.before
			if i > 0 {
				id, what, before = "", "", ""
			}
			if f.name != "" && what != "" {
				what += ": "
			}
			measured, verdict := "not measured", "not measured"
			if v := f.of(values); len(v) > 0 {
				measured, verdict = show(v), "met"
				if !f.met(median(v)) {
					verdict = "**missed**"
				}
			}
			if f.fact {
				verdict = ""
			}
			fmt.Fprintf(&b, "| %s | %s%s | %s | %s | %s | %s |\n", id, what, f.name, measured, f.goal(), verdict, before)
		}
	}
	return b.String()
}
