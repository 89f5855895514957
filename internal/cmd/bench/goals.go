package main

import (
	"cmp"
	"slices"
)

// Where figures come from.
var (
	costOfRows  = source{pkg: "./internal/cmd/cost", name: "TestRowsCostTheLeast"}
	callsOfJobs = source{pkg: "./jobs/dynamojobs", name: "TestCallsOfAClaim/dynoxide"}
	idleWorker  = source{pkg: "./bulk", name: "TestQuietWorkerAsksRarely"}
	overhead    = source{pkg: "./bulk", name: "TestJobOverhead"}
	fleet       = source{pkg: "./bulk", name: "TestFleet"}
	pipeline    = source{pkg: "./bulk", name: "BenchmarkPipelineToUnmarshal"}
	manyRows    = source{pkg: "./bulk", name: "BenchmarkManyRows"}
	onDynamoDB  = source{pkg: "./internal/test/awse2e", name: "BenchmarkJobVersusBareLoop"}
	onPostgres  = source{module: "store/pgstore", pkg: ".", name: "BenchmarkHTTPVersusLoop"}
	throttled   = source{pkg: "./store/dynamostore", name: "BenchmarkThrottledTable"}
	groups      = source{pkg: "./bulk", name: "BenchmarkGroups"}
	memory      = source{pkg: "./httpapi", name: "BenchmarkMemoryOfMillionRows"}
	byClient    = source{pkg: "./httpapi/client", name: "BenchmarkImport"}
	byHand      = source{pkg: "./httpapi", name: "BenchmarkPostsVersusHandWritten"}
	accepting   = source{pkg: "./httpapi", name: "BenchmarkAcceptVersusUpload"}
	queued      = source{pkg: "./jobs/dynamojobs", name: "BenchmarkQueued"}
)

// goals are the rows of the table.
func goals() []goal {
	all := slices.Concat(costGoals(), jobGoals(), serviceGoals(), growthGoals())
	slices.SortStableFunc(all, func(g, h goal) int {
		return cmp.Or(cmp.Compare(g.id[:1], h.id[:1]), cmp.Compare(len(g.id), len(h.id)), cmp.Compare(g.id, h.id))
	})
	return all
}

// costGoals are about counts, which are the same on every machine.
func costGoals() []goal {
	units := func(name, attribute string, limit float64) figure {
		return figure{source: costOfRows, part: costOfRows.name + "/dynoxide", unit: attribute, name: name, limit: limit, counted: true}
	}
	calls := func(name, step string, limit float64) figure {
		return figure{source: callsOfJobs, unit: step + "-calls/claim", name: name, limit: limit, counted: true}
	}
	return []goal{
		{
			id: "C1", what: "DynamoDB, 10,000 creates with id and email", before: "40,000; 20,000; 20,000; 40,000",
			how: "Units by AWS's rules, from the calls that a job makes; [operations.md](operations.md#costs) has all kinds of rows, requests and dollars. " +
				"The test asserts the same on DynamoDB Local, and that dynoxide charges what was counted.",
			figures: []figure{
				units("write units, guarded", "guarded-create-writes", 40_100),
				units("read units, guarded", "guarded-create-reads", 20_000),
				units("write units, exclusive", "exclusive-create-writes", 20_100),
				units("read units, exclusive", "exclusive-create-reads", 20_000),
			},
		},
		{
			id: "C2", what: "DynamoDB, 10,000 rows of users who have the row's email already", before: "20,000; 20,000",
			how: "As C1.",
			figures: []figure{
				units("read units of updates", "guarded-update-reads", 10_100),
				units("read units of unchanged rows", "guarded-unchanged-reads", 10_100),
			},
		},
		{
			id: "C3", what: "DynamoDB, kinds of rows that cost more in mode exclusive than guarded", before: "2 of 7",
			how:     "As C1.",
			figures: []figure{units("", "dearer-kinds", 0)},
		},
		{
			id: "C4", what: "queries a second of an idle worker on the jobs table", before: "5; 5",
			how: "Claims of a worker in virtual time; each is one query, as `TestCallsOfAnIdleClaim` of `jobs/dynamojobs` asserts. The same test asserts how soon a new job is found.",
			figures: []figure{
				{source: idleWorker, unit: "claims/s", name: "in its first minute", limit: 1, counted: true},
				{source: idleWorker, unit: "quiet-claims/s", name: "after it", limit: 0.1, counted: true},
			},
		},
		{
			id: "C5", what: "calls of a claim on the jobs table", before: "6.2; 10",
			how: "Counted on dynoxide; the test asserts the same on DynamoDB Local.",
			figures: []figure{
				calls("one tenant, 30 queued", "step-1", 2),
				calls("1,000 jobs under way or waiting", "step-2", 2),
				calls("10,000 queued", "step-3", 2),
			},
		},
	}
}

// jobGoals are about the time of jobs beside the same calls in a bare loop.
func jobGoals() []goal {
	overheadOf := func(name string, limit float64) figure {
		return figure{source: overhead, part: overhead.name + "/" + name, unit: "job/loop", limit: limit, counted: true, tolerance: 0.1}
	}
	jobOn := func(name, part string) figure {
		return figure{source: onDynamoDB, part: onDynamoDB.name + "/" + part, unit: "job/loop", name: name, limit: 1.07}
	}
	callsOfJob := func(name, call string) figure {
		return figure{source: overhead, part: overhead.name + "/8/40ms", unit: call, name: name, fact: true, counted: true, tolerance: 0.3}
	}
	named := func(f figure, name string) figure { f.name = name; return f }
	return []goal{
		{
			id: "S2", what: "job of 10,000 ÷ bare loop of the same calls to the store, 10 ms each", before: "1.04; 1.23; 1.15; 1.55",
			how: "In virtual time, so that only waiting counts; medians of 5 jobs.",
			missed: "with blobs of 40 ms the four calls that a job waits for one after the other, the claim, the payload, the results file and the end, " +
				"take 100 ms, beside 1,000 ms of the loop with 8 in parallel and 260 ms with 32. So 1.10 and 1.35 are the least that is possible; " +
				"8 in parallel also wait once, at the end, for the chunk of the journal that is under way.",
			figures: []figure{
				named(overheadOf("8/10ms", 1.05), "8 in parallel"), named(overheadOf("32/10ms", 1.12), "32 in parallel"),
				named(overheadOf("8/40ms", 1.05), "8 in parallel, blobs 40 ms"), named(overheadOf("32/40ms", 1.12), "32 in parallel, blobs 40 ms"),
			},
		},
		{
			id: "S3", what: "job of 10,000 ÷ bare loop of the same calls", before: "1.00 to 1.07",
			how: "By turns on one server, from the claim to the end of the job; medians of at least 5 pairs. " +
				"The loop makes the same lookups and commits through the same store, 8 at a time.",
			missed: "servers, job and loop share the processors, so what a job does beside its calls to the store (the journal, its record and its blobs on an S3 server) " +
				"takes time from these. That weighs most where the loop is cheapest: in mode exclusive, whose commits are no transactions.",
			figures: []figure{
				jobOn("DynamoDB Local, guarded", "DynamoDBLocal/guarded"), jobOn("DynamoDB Local, exclusive", "DynamoDBLocal/exclusive"),
				jobOn("dynoxide, guarded", "dynoxide/guarded"), jobOn("dynoxide, exclusive", "dynoxide/exclusive"),
			},
		},
		{
			id: "S4", what: "simulated tables of 4,000 write units a second, worst of 10,000 and 50,000 users by 8, 32 and 128 parallel", before: "1.01 to 1.24; 2 to 7 %",
			how: "In virtual time, calls of about 10 ms: the time of the job by that in which the tables take its units, and the share of its writing calls that met a throttle.",
			figures: []figure{
				{source: throttled, part: throttled.name + "/guarded/*", unit: "makespan/ideal", name: "guarded, time ÷ ideal", limit: 1.05},
				{source: throttled, part: throttled.name + "/guarded/*", unit: "throttled/calls", name: "guarded, throttled calls", limit: 0.02},
				{source: throttled, part: throttled.name + "/exclusive/*", unit: "makespan/ideal", name: "exclusive, time ÷ ideal", limit: 1.05},
				{source: throttled, part: throttled.name + "/exclusive/*", unit: "throttled/calls", name: "exclusive, throttled calls", limit: 0.02},
			},
		},
		{
			id: "S6", what: "speed-up by more workers, 100 ms a call", before: "1.9; 2.6 to 3.8",
			how: "48 jobs of 500 rows in virtual time: the time of one worker by that of several, each with a process of its own.",
			figures: []figure{
				{source: fleet, unit: "speed-up-of-2", name: "2 workers", limit: 1.95, least: true, counted: true, tolerance: 0.03},
				{source: fleet, unit: "speed-up-of-4", name: "4 workers", limit: 3.8, least: true, counted: true, tolerance: 0.03},
			},
		},
		{
			id: "S13", what: "10,000 rows that wait for each other ÷ 10,000 distinct users", before: "not measured",
			how: "Jobs in virtual time, 10 ms a call. A chain of addresses that move from user to user is bound to take a lookup, a chunk of the journal and a commit for each link.",
			figures: []figure{
				{source: groups, part: groups.name + "/rows-of-one/distinct", unit: "rows-of-one/distinct", name: "rows of one user", limit: 3, counted: true, tolerance: 0.15},
				{source: groups, part: groups.name + "/chain/distinct", unit: "chain/distinct", name: "a chain of moves", fact: true, counted: true, tolerance: 0.15},
			},
		},
		{
			id: "Calls", what: "what a job of 10,000 calls beside its rows, 8 in parallel, store 10 ms, blobs 40 ms", before: "",
			how: "In the runs of S2, medians. A chunk of the journal is a put and a look at the job's record.",
			figures: []figure{
				callsOfJob("puts of blobs", "BlobStore.Put"), callsOfJob("gets of blobs", "BlobStore.Get"),
				callsOfJob("looks at the record", "JobQueue.Get"), callsOfJob("saves of the record", "JobQueue.Save"),
			},
		},
	}
}

// serviceGoals are about the service as its callers see it, and about the engine alone.
func serviceGoals() []goal {
	return []goal{
		{
			id: "S1", what: "Postgres over HTTP ÷ the best loop of `INSERT … ON CONFLICT` of 1,000 a statement, users a second",
			before: "0.75; 0.4 to 0.6",
			how: "By turns on one server, from the first byte of the first request to the end of the last job; the loop has no HTTP, lookups, results or protection from others. " +
				"Connections are open beforehand. Medians of at least 5 pairs.",
			missed: "sender, service and Postgres share the processors, which the loop leaves to Postgres alone. Ratios differ from run to run, as what Postgres writes to disk meanwhile does.",
			figures: []figure{
				{source: onPostgres, part: "BenchmarkHTTPVersusLoop/Creates/10000", unit: "import/loop", name: "10,000 creates", limit: 0.75, least: true},
				{source: onPostgres, part: "BenchmarkHTTPVersusLoop/Creates/100000", unit: "import/loop", name: "100,000 creates", limit: 0.75, least: true},
				{source: onPostgres, part: "BenchmarkHTTPVersusLoop/Updates/10000", unit: "import/loop", name: "10,000 updates of every field and email", fact: true},
				{source: onPostgres, part: "BenchmarkHTTPVersusLoop/Updates/100000", unit: "import/loop", name: "100,000 updates", fact: true},
			},
		},
		{
			id: "S5", what: "200,000 rows in 20 parts by the client ÷ the sum of the service's own job times", before: "100",
			how:     "`client.Import` over the loopback interface, everything in memory.",
			figures: []figure{{source: byClient, unit: "time/work", limit: 1.5}},
		},
		{
			id: "S7", what: "posts of 20 users by 50 clients ÷ a hand-written handler of `net/http` and `encoding/json` on a map", before: "1.25; 0.6",
			how: "Both servers by turns on the loopback interface, everything in memory; medians over at least 7 pairs of turns of 5,000 posts.",
			figures: []figure{
				{source: byHand, unit: "requests/s-ratio", name: "requests a second", limit: 1.3, least: true},
				{source: byHand, unit: "p99-ratio", name: "99th percentile of the answer's time", limit: 0.6},
			},
		},
		{
			id: "S8", what: "time to the 202 for 10,000 users ÷ plain upload of the same bytes", before: "3.7 to 4.1",
			how:     "By turns to servers on the loopback interface with blobs in memory; the upload is a handler that puts the body into a blob and does nothing else.",
			missed:  "rows are read, checked for what refuses a request, and written line by line with a checksum each, which the upload does not do; caller and both servers share the processors.",
			figures: []figure{{source: accepting, unit: "accept/upload", limit: 3}},
		},
		{
			id: "S9", what: "whole pipeline in memory on one core ÷ `encoding/json.Unmarshal` of the body into maps alone", before: "0.90",
			how: "10,000 users of 370 bytes: decoded, validated, looked up, decided, stored, and results encoded. Medians over pairs, of processor time.",
			missed: "validation, canonical text of fields, decisions, copies for the store and results are what `Unmarshal` does not do. " +
				"On a machine with much other work the longer of the two loses its caches more often.",
			figures: []figure{{source: pipeline, unit: "pipeline/unmarshal", limit: 0.6}},
		},
		{
			id: "S10", what: "allocations a user in S9", before: "8.6",
			how:     "Counted by the runtime in the same runs.",
			figures: []figure{{source: pipeline, unit: "allocs/user", limit: 3, counted: true, tolerance: 0.05}},
		},
	}
}

// growthGoals are about what grows with the size of jobs and queues.
func growthGoals() []goal {
	return []goal{
		{
			id: "S11", what: "what grows", before: "0.8 to 1.06; 5; 5",
			how: "Jobs of 1,000,000 rows and of 10,000 by turns, on a store that keeps nothing and blobs in files; claims and lists on dynoxide, by turns. Medians over pairs.",
			figures: []figure{
				{source: manyRows, unit: "time/time", name: "time a user at 1,000,000 rows ÷ at 10,000", limit: 1.05},
				{source: queued, unit: "claim/claim", name: "claim with 100,000 queued ÷ with 100", limit: 2},
				{source: queued, unit: "list/list", name: "list with 100,000 queued ÷ with 100", limit: 2},
			},
		},
		{
			id: "S12", what: "live heap", before: "13 MB; 5; 0.003",
			how:    "Above that before, after a garbage collection, the most of about 20 looks on the way; blobs are files and the store forgets.",
			missed: "twelve batches for each parallel call are under way, so that these never wait for blobs, each row with its text, its decision and its place in a chunk of the journal.",
			figures: []figure{
				{source: memory, unit: "heap-MB", name: "of a worker at 1,000,000 rows, MB", limit: 6},
				{source: memory, unit: "heap-million/heap-10k", name: "of a worker at 1,000,000 rows ÷ at 10,000", limit: 2},
				{source: memory, unit: "accept-bytes/body", name: "while the body of 1,000,000 rows is accepted ÷ the body", limit: 0.01},
			},
		},
	}
}
