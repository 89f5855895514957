package main

// Faults of the queue in DynamoDB: each condition, and each nonce or stamp by which a
// write is known again.
var dynamojobs = []mutation{
	// Every change of a record.
	{
		name: "a change does not look at the expiry", file: "jobs/dynamojobs/change.go",
		old: `			u.when(attrExpires, ">", number(now.UnixMilli()))
`, test: "^TestConformance$/.*/Expiry/IsObeyedByEveryMethod",
	},
	{
		name: "a change does not look at the stamp", file: "jobs/dynamojobs/change.go",
		old: `			u.when(attrStamp, "<", number(seq))
`, test: "TestLateRequest",
	},
	{
		name: "a change does not know itself again", file: "jobs/dynamojobs/change.go",
		old: `if done.text(c.nonce) == nonce {`, new: `if false {`, test: "TestLostAnswers",
	},
	{
		name: "a change is refused before it knows itself again", file: "jobs/dynamojobs/change.go",
		old: `			if done.text(c.nonce) == nonce {
				return nil // it was done, and the answer was lost
			}
			if err := c.refused(done, now); err != nil {
				return err
			}
`, new: `			if err := c.refused(done, now); err != nil {
				return err
			}
			if done.text(c.nonce) == nonce {
				return nil
			}
`, test: "TestLostAnswers/.*/end",
	},
	{
		name: "a repeated change has another nonce", file: "jobs/dynamojobs/change.go",
		old: `u.set(c.nonce, text(nonce))`, new: `nonce = rand.Text(); u.set(c.nonce, text(nonce))`, test: "TestLostAnswers",
	},
	{
		name: "a change takes any nonce for its own", file: "jobs/dynamojobs/change.go",
		old: `if done.text(c.nonce) == nonce {`, new: `if done.has(c.nonce) {`, test: "^TestConformance$/.*/Claim/RefusesLeasedJob",
	},
	{
		name: "a change does not go above a stamp that is ahead", file: "jobs/dynamojobs/change.go",
		old: `q.stamps.above(done.number(attrStamp))`, new: `q.stamps.next()`, test: "TestStampOfAClockAhead",
	},
	{
		name: "a record is not read strongly consistent", file: "jobs/dynamojobs/change.go",
		old: `		ConsistentRead: aws.Bool(true),
`, test: "TestReadsAreConsistent",
	},
	{
		name: "a page is not read strongly consistent", file: "jobs/dynamojobs/list.go",
		old: `Keys: keys, ConsistentRead: aws.Bool(true)`, new: `Keys: keys`, test: "TestReadsAreConsistent",
	},

	// Items that are written as a whole.
	{
		name: "a put does not know itself again", file: "jobs/dynamojobs/change.go",
		old: `if there.text(attrCreateNonce) == nonce {`, new: `if false {`, test: "TestLostAnswers/.*/create",
	},
	{
		name: "a create overwrites", file: "jobs/dynamojobs/queue.go",
		old: `u.whenMissing(attrID)`, new: `u.conditions = []string{"attribute_exists(" + u.name(attrID) + ") OR attribute_not_exists(" + u.name(attrID) + ")"}`,
		test: "^TestConformance$/.*/Create/RefusesIDInUse",
	},
	{
		name: "the first version of a key overwrites", file: "jobs/dynamojobs/key.go",
		old: `		u.whenMissing(attrID)
		u.when(attrExpires, "<=", now)
`, new: `		u.conditions = []string{"attribute_exists(" + u.name(attrID) + ") OR attribute_not_exists(" + u.name(attrID) + ")"}
`, test: "TestKeys",
	},
	{
		name: "an expired key keeps its name", file: "jobs/dynamojobs/key.go",
		old: `		u.when(attrExpires, "<=", now)
`, test: "TestKeyExpires",
	},
	{
		name: "a later version of a key does not look at the version", file: "jobs/dynamojobs/key.go",
		old: `u.name(attrVersion)+" = "+u.value(number(k.Version-1))+
			" AND "+`, test: "TestKeys",
	},
	{
		name: "a later version of a key does not look at the expiry", file: "jobs/dynamojobs/key.go",
		old: `+
			" AND "+u.name(attrExpires)+" > "+u.value(now))`, new: `)`, test: "TestKeyExpires",
	},

	// Claims.
	{
		name: "a claim does not look at leases", file: "jobs/dynamojobs/claim.go",
		old: `			u.when(attrClaimAt, "<=", number(now.UnixMilli()))
`, test: "^TestConformance$/.*/Claim/RefusesLeasedJob",
	},
	{
		name: "a claim does not raise the token", file: "jobs/dynamojobs/claim.go",
		old: `			u.increment(attrToken)
`, test: "TestLostSaveOfAnOvertakenWorker",
	},
	{
		name: "a claim and a cancel share a nonce", file: "jobs/dynamojobs/claim.go",
		old: `nonce: attrClaimNonce`, new: `nonce: attrCancelNonce`, test: "TestLostClaimThenCancel",
	},
	{
		name: "a claim says that it was refused too late", file: "jobs/dynamojobs/claim.go",
		old: `it.number(attrClaimAt) > now.UnixMilli()`, new: `false`, test: "^TestConformance$/.*/Claim/RefusesLeasedJob",
	},

	{
		name: "a claim leaves a job among those that can be claimed", file: "jobs/dynamojobs/claim.go",
		old: `			claimLater(u, until)
`, new: `			u.set(attrClaimAt, moment(until))
`, test: "TestCallsOfAnIdleClaim",
	},
	{
		name: "a claim forgets where a job stood", file: "jobs/dynamojobs/claim.go",
		old: `u.setFirst(attrReady, attrReady, attrTurn)`, new: `u.setFirst(attrReady, attrTurn, attrTurn)`, test: "TestReleasedJobHasItsPlace",
	},
	{
		name: "a claim leaves a job where the version before put it", file: "jobs/dynamojobs/claim.go",
		old: `				u.set(attrShard, text(partition))
`, test: "TestFormerRecordClaimedByID",
	},
	{
		name: "a claim takes jobs that have ended and are to be told of", file: "jobs/dynamojobs/claim.go",
		old: `				u.whenMissing(attrCompleted)
`, test: "^TestConformance$/.*/Ended/SaveSetsNotify",
	},
	{
		name: "a claim of an end takes jobs that have not ended", file: "jobs/dynamojobs/claim.go",
		old: `				u.whenThere(attrCompleted)
`, test: "^TestConformance$/.*/Ended/ClaimRefusesOthers",
	},

	// The index of claims.
	{
		name: "a job that becomes due is moved while somebody has it", file: "jobs/dynamojobs/tour.go",
		old: `	u.when(attrClaimAt, "<=", number(time.Now().UnixMilli()))
`, test: "TestDueJobThatIsTakenMeanwhile",
	},
	{
		name: "a job that becomes due is moved although it has ended", file: "jobs/dynamojobs/tour.go",
		old: `	u.whenMissing(attrCompleted)
`, test: "TestDueJobThatIsTakenMeanwhile",
	},
	{
		name: "a job that becomes due is not moved", file: "jobs/dynamojobs/tour.go",
		old: `	u.setFirst(attrTurn, attrReady, attrTurn)
`, test: "TestDueJobComesBeforeYoungerOnes",
	},
	{
		name: "hints do not look at the expiry", file: "jobs/dynamojobs/tour.go",
		old: ` + " AND " + u.name(attrExpires) + " > " + now`, test: "TestExpiredJobsAreNoHints",
	},
	{
		name: "what became due is not looked for", file: "jobs/dynamojobs/claim.go",
		old: `if q.ring.overdue() {`, new: `if false {`, test: "TestDueJobComesBeforeYoungerOnes",
	},
	{
		name: "what became due is tried before its turn", file: "jobs/dynamojobs/tour.go",
		old: `if r.covers(h) {`, new: `if true {`, test: "TestMerge",
	},
	{
		name: "few jobs are not claimed in turn", file: "jobs/dynamojobs/tour.go",
		old: `t.q.ring.turned(t.merge(hints, r))`, new: `t.merge(hints, r)`, test: "TestTurnsOfFewJobs",
	},
	{
		name: "a tenant that is not alone has several turns", file: "jobs/dynamojobs/claim.go",
		old: ` && placeOf(job.Tenant) == served {`, new: ` {`, test: "TestDueJobHasItsTurn",
	},
	{
		name: "a tenant that is alone keeps its turn", file: "jobs/dynamojobs/ring.go",
		old: `const maxSpares = 2`, new: `const maxSpares = 20`, test: "TestNewcomer",
	},
	{
		name: "hints are kept for ever", file: "jobs/dynamojobs/ring.go",
		old: ` || !time.Now().Before(r.until) {`, new: ` {`, test: "TestSpares",
	},
	{
		name: "jobs of the version before are not found", file: "jobs/dynamojobs/former.go",
		old: `range formerPartitions {`, new: `range formerPartitions[1:] {`, test: "TestFormerRecords",
	},
	{
		name: "the version before does not find what became due", file: "jobs/dynamojobs/turn.go",
		old: `laterPrefix = "f~"`, new: `laterPrefix = "g~"`, test: "TestBesideFormerVersion",
	},

	// Saves.
	{
		name: "a save does not look at the token", file: "jobs/dynamojobs/queue.go",
		old: `			u.when(attrToken, "=", number(token))
`, test: "^TestConformance$/.*/Save/RefusesOtherToken",
	},
	{
		name: "a save takes lower tokens", file: "jobs/dynamojobs/queue.go",
		old: `u.when(attrToken, "=", number(token))`, new: `u.when(attrToken, ">=", number(token))`,
		test: "^TestConformance$/.*/Save/RefusesAfterLaterClaim",
	},
	{
		name: "a save does not look at the lease", file: "jobs/dynamojobs/queue.go",
		old: `			u.whenThere(attrLease)
`, test: "^TestConformance$/.*/Save/(RefusesAfterRelease|RefusesAfterEnd)",
	},
	{
		name: "a save that is refused for its token is tried again", file: "jobs/dynamojobs/queue.go",
		old: `it.number(attrToken) != token || `, test: "^TestConformance$/.*/Save/RefusesOtherToken",
	},
	{
		name: "a save that is refused for the lease is tried again", file: "jobs/dynamojobs/queue.go",
		old: ` || !it.has(attrLease) || ended`, new: ` || ended`, test: "^TestConformance$/.*/Save/RefusesAfterRelease",
	},
	{
		name: "the saves of all workers share a nonce", file: "jobs/dynamojobs/record.go",
		old: `attrSaveNonce + strconv.FormatInt(token&(slots-1), 10)`, new: `attrSaveNonce + strconv.FormatInt(0*slots, 10)`,
		test: "TestLostReleaseThenClaims",
	},

	{
		name: "a save tells of jobs that have not ended", file: "jobs/dynamojobs/queue.go",
		old: `			case to.Notified:
				u.whenThere(attrCompleted)
`, test: "^TestConformance$/.*/Ended/SaveRefusesRunning",
	},
	{
		name: "a save runs jobs that have ended", file: "jobs/dynamojobs/queue.go",
		old: `			case runs(to):
				u.whenMissing(attrCompleted)
`, test: "^TestConformance$/.*/Ended/SaveRefusesRunning",
	},
	{
		name: "a renewed lease leaves a job where the one before ends", file: "jobs/dynamojobs/queue.go",
		old: `		claimLater(u, until)
`, new: `		u.set(attrClaimAt, moment(until))
`, test: "TestCallsOfAnIdleClaim",
	},
	{
		name: "a job to be retried stays where its lease would end", file: "jobs/dynamojobs/queue.go",
		old: `		claimLater(u, at)
`, new: `		u.set(attrClaimAt, moment(at))
`, test: "^TestConformance$/.*/ClaimNext/TakesReleasedJob",
	},
	{
		name: "a job that is given back stays where its lease would end", file: "jobs/dynamojobs/queue.go",
		old: `		u.setFirst(attrTurn, attrReady, attrTurn)
`, test: "^TestConformance$/.*/ClaimNext/TakesReleasedJob",
	},
	{
		name: "an end that is given back stays where its lease would end", file: "jobs/dynamojobs/queue.go",
		old: `	u.set(attrReady, text(laterTurn(now)))
`, test: "TestEndsAreToldInOrder",
	},
	{
		name: "a release or an end wakes nobody", file: "jobs/dynamojobs/queue.go",
		old: `if job.LeaseUntil.IsZero() &&`, new: `if false &&`, test: "TestChanged",
	},

	// Cancels.
	{
		name: "a cancel ends jobs that are processing", file: "jobs/dynamojobs/queue.go",
		old: `			u.when(attrStatus, "=", text(string(bulk.JobPending)))
`, test: "^TestConformance$/.*/Cancel/AsksProcessingJob",
	},
	{
		name: "a cancel asks jobs that have ended", file: "jobs/dynamojobs/queue.go",
		old: `				u.when(attrStatus, "=", text(string(bulk.JobProcessing)))
`, test: "TestCancelOfAJobThatEndsMeanwhile",
	},

	// Counts.
	{
		name: "a count ends with its first page", file: "jobs/dynamojobs/count.go",
		old: `if from = page.LastEvaluatedKey; len(from) == 0 {`, new: `if from = page.LastEvaluatedKey; true {`, test: "TestCountReadsWhatHasNotEnded",
	},
	{
		name: "a count has jobs that have expired", file: "jobs/dynamojobs/count.go",
		old: `			case !it.live(now):
`, test: "^TestConformance$/.*/Count/ByTime",
	},
	{
		name: "a throttle is told to nobody", file: "jobs/dynamojobs/retry.go",
		old: `			bulk.ReportThrottle(ctx, 1)
`, new: `			_ = bulk.ReportThrottle
`, test: "TestRetryTellsOfThrottles",
	},
}
