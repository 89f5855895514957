package main

import (
	"fmt"
	"strings"
	"time"
)

// Prices on demand in us-east-1, in dollars.
const (
	million   = 1_000_000
	writeUnit = 0.625 / million
	readPrice = 0.125 / million
	putPrice  = 5.0 / million // S3: puts, copies, lists
	getPrice  = 0.4 / million // S3: gets
)

func (u units) dollars() float64 { return u.writes*writeUnit + u.reads*readPrice }

// tabled is how many rows the table is about, however many are measured: units and
// requests of full batches rise with the rows exactly.
const tabled = 10_000

// most is what a job of [tabled] rows costs at the most, beside its rows. How often
// its journal and its progress are written depends on how long calls take.
var most = jobCost{
	table: count{requests: 60, units: units{reads: 40, writes: 100}},
	blobs: count{puts: 60, gets: 20},
}

// exceeds says which count of a job is higher than the table says, "" for none.
func (c jobCost) exceeds(limit jobCost) string {
	for _, of := range []struct {
		what       string
		got, limit float64
	}{
		{"requests of the jobs table", float64(c.table.requests), float64(limit.table.requests)},
		{"read units of the jobs table", max(c.table.reads, c.table.reported.reads), limit.table.reads},
		{"write units of the jobs table", max(c.table.writes, c.table.reported.writes), limit.table.writes},
		{"puts of blobs", float64(c.blobs.puts), float64(limit.blobs.puts)},
		{"gets of blobs", float64(c.blobs.gets), float64(limit.blobs.gets)},
	} {
		if of.got > of.limit {
			return fmt.Sprintf("a job takes %g %s, more than the %g of the table", of.got, of.what, of.limit)
		}
	}
	return ""
}

// pollsAMonth is how often a worker looks for a job that has had none for a minute, at
// the default bulk.Config.Poll.
const pollsAMonth = float64(30 * 24 * time.Hour / (12 * time.Second))

// table returns the text of the table for what n measured rows of each kind cost, the
// bare loop and a look for a job.
func table(n int, rows []measured, bare, poll count) string {
	scale := func(x float64) string { return thousands(x * tabled / float64(n)) }
	var b strings.Builder
	b.WriteString("| 10,000 rows | named by | mode | requests | write units | read units | dollars | least: writes, reads |\n")
	b.WriteString("| --- | --- | --- | --: | --: | --: | --: | --: |\n")
	line := func(first, second, third string, c count, least string) {
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %.5f | %s |\n", first, second, third,
			scale(float64(c.requests)), scale(c.writes), scale(c.reads), c.dollars()*tabled/float64(n), least)
	}
	for _, m := range rows {
		line(m.rows, m.named, modeName(m.mode), m.count, thousands(m.least.writes*tabled)+", "+thousands(m.least.reads*tabled))
	}
	line("a bare loop of `BatchWriteItem`", "id", "", bare, "")
	jobDollars := most.table.dollars() + float64(most.blobs.puts)*putPrice + float64(most.blobs.gets)*getPrice
	fmt.Fprintf(&b, "\nA job of 10,000 rows takes, beside its rows, at most %d requests of the jobs table with %g write and %g read units, "+
		"and of S3 %d puts and %d gets: $%.5f.\n", most.table.requests, most.table.writes, most.table.reads, most.blobs.puts, most.blobs.gets, jobDollars)
	fmt.Fprintf(&b, "A look for a job that finds none is %d request of %g read units. A worker looks every second, and every 12 after a minute without a job: that costs $%.2f a month.\n",
		poll.requests, poll.reads, poll.dollars()*pollsAMonth)
	return b.String()
}

// thousands writes a whole number with commas.
func thousands(x float64) string {
	s := fmt.Sprintf("%.0f", x)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
