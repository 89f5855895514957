package main

// Faults of the store in DynamoDB: each condition, what decides a change that was
// refused, and each token or version by which a write is known again.
var dynamostore = []mutation{
	// The base of an update.
	{
		name: "a statement does not look at the version", file: "store/dynamostore/statement.go",
		old: `		assign(" AND ", identifier(a.Version), text(c.base.Version))
`, test: "TestUpdateOfAnotherVersion",
	},
	{
		name: "a statement does not look whether there is no version yet", file: "store/dynamostore/statement.go",
		old: `		b.WriteString(" AND " + identifier(a.Version) + " IS MISSING")
`, test: "TestUpdateOfAnotherVersion",
	},
	{
		name: "a statement does not look at the old email", file: "store/dynamostore/statement.go",
		old: `		assign(" AND ", identifier(a.Email), text(c.base.Email))
`, test: "TestHostMovesEmailWithoutVersion",
	},
	{
		name: "an expression does not look at the version", file: "store/dynamostore/update.go",
		old: `condition = u.name(s.attrs.Version) + "=" + u.value(text(c.base.Version))`, new: `condition = "attribute_exists(" + u.name(s.attrs.Key) + ")"`,
		test: "TestUpdateOfAnotherVersion",
	},
	{
		name: "an expression does not look whether there is no version yet", file: "store/dynamostore/update.go",
		old: ` + ") AND attribute_not_exists(" + u.name(s.attrs.Version) + ")"`, new: ` + ")"`, test: "TestUpdateOfAnotherVersion",
	},
	{
		name: "an update without version makes users", file: "store/dynamostore/update.go",
		old: `"attribute_exists(" + u.name(s.attrs.Key) + ") AND attribute_not_exists("`, new: `"attribute_not_exists("`, test: "TestUpdateOfAnotherVersion",
	},
	{
		name: "a change of email does not look at the old email", file: "store/dynamostore/update.go",
		old: `return condition + " AND " + same`, new: `return condition`, test: "TestHostMovesEmailWithoutVersion",
	},
	{
		name: "a first email overwrites another", file: "store/dynamostore/update.go",
		old: `if c.base.Email == "" {`, new: `if c.base.Email == "" { return condition`, test: "TestHostMovesEmailWithoutVersion",
	},
	{
		name: "a first email is only for items without the attribute", file: "store/dynamostore/update.go",
		old: `same + " OR NOT attribute_type(" + email + "," + u.value(text("S")) + "))"`, new: `same + " OR attribute_not_exists(" + email + "))"`,
		test: "TestHostMovesEmailWithoutVersion",
	},
	{
		name: "a map is replaced though it changed", file: "store/dynamostore/update.go",
		old: `			u.condition += " AND " + attribute + "=" + u.value(old)
`, new: `			_ = old
`, test: "TestMapChangesBeforeItIsReplaced",
	},
	{
		name: "a map is made though there is one", file: "store/dynamostore/update.go",
		old: `			u.condition += " AND attribute_not_exists(" + attribute + ")"
`, test: "TestMapChangesBeforeItIsReplaced",
	},

	// Creates, claims and releases.
	{
		name: "a create with email overwrites", file: "store/dynamostore/transaction.go",
		old: `"attribute_not_exists(" + e.name(s.attrs.Key) + ")"),
			ExpressionAttributeNames: e.names,`, new: `"attribute_exists(" + e.name(s.attrs.Key) + ") OR attribute_not_exists(" + e.name(s.attrs.Key) + ")"),
			ExpressionAttributeNames: e.names,`, test: "TestCreateOfAnExistingUser",
	},
	{
		name: "a claim overwrites", file: "store/dynamostore/transaction.go",
		old: `	if c.stale != nil {
		condition += " OR "`, new: `	condition += " OR attribute_exists(" + e.name(s.attrs.ClaimKey) + ")"
	if c.stale != nil {
		condition += " OR "`, test: "^TestConformance$/.*/guarded/Create/RefusesEmailInUse",
	},
	{
		name: "a claim of the user's own that was left over stands in the way", file: "store/dynamostore/transaction.go",
		old: `+ ") OR " +
		e.name(s.attrs.ClaimUserID) + "=" + e.value(text(c.user.ID))`, new: `+ ") OR " +
		e.name(s.attrs.ClaimUserID) + "=" + e.value(text(""))`, test: "TestClaimsLeftOver",
	},
	{
		name: "a claim that was left over is taken whoever has it by now", file: "store/dynamostore/transaction.go",
		old: `condition += " OR " + e.name(s.attrs.ClaimUserID) + "=" + e.value(text(c.stale.id))`, new: `condition += " OR attribute_exists(" + e.name(s.attrs.ClaimUserID) + ")"`,
		test: "TestStaleClaimIsTakenOverOnce",
	},
	{
		name: "a claim that was left over cannot be taken", file: "store/dynamostore/transaction.go",
		old: `		condition += " OR " + e.name(s.attrs.ClaimUserID) + "=" + e.value(text(c.stale.id))
`, test: "TestClaimsLeftOver",
	},
	{
		name: "a stale claim's owner is not checked", file: "store/dynamostore/transaction.go",
		old: `		actions = append(actions, s.staleAction(c.stale))
`, test: "TestOwnerOfAStaleClaimComesBack",
	},
	{
		name: "a stale claim's owner that is gone may come back", file: "store/dynamostore/transaction.go",
		old: `condition = "attribute_not_exists(" + e.name(s.attrs.Key) + ")"`, new: `condition = "attribute_exists(" + e.name(s.attrs.Key) + ") OR attribute_not_exists(" + e.name(s.attrs.Key) + ")"`,
		test: "TestOwnerOfAStaleClaimComesBack",
	},
	{
		name: "a stale claim's owner with another email may change it", file: "store/dynamostore/transaction.go",
		old: `condition = e.name(s.attrs.Email) + "=" + e.value(email)`, new: `_ = email; condition = "attribute_exists(" + e.name(s.attrs.Key) + ")"`,
		test: "TestOwnerOfAStaleClaimComesBack",
	},
	{
		name: "a stale claim's owner without email may get one", file: "store/dynamostore/transaction.go",
		old: ` + ") AND attribute_not_exists(" + e.name(s.attrs.Email) + ")"`, new: ` + ")"`, test: "TestOwnerOfAStaleClaimComesBack",
	},
	{
		name: "a release deletes whatever claim there is", file: "store/dynamostore/transaction.go",
		old: `ConditionExpression:       aws.String(s.ownClaim(&e, c)),`, new: `ConditionExpression:       aws.String(s.ownClaim(&e, c) + " OR attribute_exists(" + e.name(s.attrs.ClaimKey) + ")"),`,
		test: "TestReleaseOfAClaimThatPassedOn",
	},
	{
		name: "a release is forgotten", file: "store/dynamostore/transaction.go",
		old: `		actions = append(actions, s.releaseAction(c))
`, test: "^TestConformance$/.*/guarded/Email/ChangeMovesTheClaim",
	},

	// What a refusal means.
	{
		name: "a change does not know itself again", file: "store/dynamostore/commit.go",
		old: `case exists && s.version(c.now) == c.version:`, new: `case false:`, test: "TestLostAnswers",
	},
	{
		name: "a create that finds a user is tried again", file: "store/dynamostore/commit.go",
		old: `case c.isCreate() && exists:`, new: `case false:`, test: "TestCreateOfAnExistingUser",
	},
	{
		name: "an update that finds another version is tried again", file: "store/dynamostore/commit.go",
		old: `(!exists || s.version(c.now) != c.base.Version)`, new: `!exists`, test: "TestUpdateOfAnotherVersion",
	},
	{
		name: "an update that finds no user is tried again", file: "store/dynamostore/commit.go",
		old: `(!exists || s.version(c.now) != c.base.Version)`, new: `(exists && s.version(c.now) != c.base.Version)`, test: "TestUpdateOfAnotherVersion",
	},
	{
		name: "an update that finds another email is tried again", file: "store/dynamostore/commit.go",
		old: `case c.patch.Email != "" && textOf(c.now[s.attrs.Email]) != c.base.Email:`, new: `case false:`,
		test: "TestHostMovesEmailWithoutVersion",
	},
	{
		name: "an email that is taken counts as left over", file: "store/dynamostore/commit.go",
		old: `if s.hasEmail(it, c.tenant, c.claim) {`, new: `if false {`, test: "^TestConformance$/.*/guarded/Create/RefusesEmailInUse",
	},
	{
		name: "a claim of another user is released", file: "store/dynamostore/commit.go",
		old: `		c.release = "" // not this user's to give up
`, test: "TestClaimsLeftOver",
	},

	// Tokens.
	{
		name: "a cancelled transaction goes again with its token", file: "store/dynamostore/transaction.go",
		old: `		token = rand.Text() // it was not done, so what comes is another call
`, test: "TestTokensOfCancelledTransactions",
	},
	{
		name: "a call has another token each time", file: "store/dynamostore/transaction.go",
		old: `ClientRequestToken: aws.String(token)`, new: `ClientRequestToken: aws.String(token[:1] + rand.Text())`, test: "TestTokenOfTheSameCall",
	},
	{
		name: "a transaction has no token", file: "store/dynamostore/transaction.go",
		old: `{ClientRequestToken: aws.String(token)}`, new: `{}`, test: "TestTokenOfTheSameCall",
	},

	// Calls.
	{
		name: "what a call leaves is forgotten", file: "store/dynamostore/repeat.go",
		old: `if parts = a.left; parts == 0 {`, new: `if parts = a.left; true {`, test: "^TestRepeat$",
	},
	{
		name: "a throttled call is not made again", file: "store/dynamostore/repeat.go",
		old: `case f.again():`, new: `case false:`, test: "^TestRepeat$",
	},
	{
		name: "a call that may have been done is made again", file: "store/dynamostore/repeat.go",
		old: `case f.again():`, new: `case f.again() || f == passing:`, test: "^TestRepeat$",
	},
	{
		name: "calls are made again without end", file: "store/dynamostore/repeat.go",
		old: `if attempt >= r.attempts {`, new: `if attempt >= 1000 {`, test: "^TestRepeat$",
	},
	{
		name: "calls are made again at once", file: "store/dynamostore/repeat.go",
		old: `if err := pause.Wait(ctx, attempt); err != nil {`, new: `if err := ctx.Err(); err != nil {`, test: "^TestRepeat$",
	},
	{
		name: "the limiter does not learn of throttled parts", file: "store/dynamostore/repeat.go",
		old: `return a.throttled, err`, new: `return 0, err`, test: "TestRepeatTellsOfThrottles",
	},

	// Reads.
	{
		name: "users are not read strongly consistent", file: "store/dynamostore/read.go",
		old: `users := types.KeysAndAttributes{ConsistentRead: aws.Bool(true), `, new: `users := types.KeysAndAttributes{`, test: "TestReadsAreConsistent",
	},
	{
		name: "claims are not read strongly consistent", file: "store/dynamostore/read.go",
		old: `claims := types.KeysAndAttributes{ConsistentRead: aws.Bool(true)}`, new: `claims := types.KeysAndAttributes{}`, test: "TestReadsAreConsistent",
	},

	{
		name: "claims are read for users who have the emails", file: "store/dynamostore/lookup.go",
		old: `	maps.DeleteFunc(second.claims, known)
`, test: "TestLookupReadsFewClaims",
	},
	{
		name: "claims are never read at once", file: "store/dynamostore/lookup.go",
		old: `s.claimsAtOnce.Store(others > having)`, new: `s.claimsAtOnce.Store(false)`, test: "TestLookupReadsFewClaims",
	},
	{
		name: "claims are read at once for ever", file: "store/dynamostore/lookup.go",
		old: `s.claimsAtOnce.Store(others > having)`, new: `s.claimsAtOnce.Store(others > 0 || atOnce)`, test: "TestLookupReadsFewClaims",
	},

	// The backfill of claims.
	{
		name: "a backfill does not look whether the user has the email", file: "store/dynamostore/transaction.go",
		old: `aws.String(e.name(s.attrs.Email) + "=" + e.value(text(c.base.Email)))`, new: `aws.String("attribute_exists(" + e.name(s.attrs.Key) + ")")`,
		test: "TestBackfillWhileTheHostWrites",
	},
	{
		name: "a backfill leaves out users whose emails move", file: "store/dynamostore/backfill.go",
		old: `			again = append(again, b.store.adoption(c.tenant, c.user.ID, it))
`, new: `			b.done.Gone++
`, test: "TestBackfillWhileTheHostWrites",
	},
	{
		name: "a backfill hides duplicates", file: "store/dynamostore/backfill.go",
		old: `			b.problem(BackfillProblem{c.tenant, c.user.ID, c.taken, bulk.ErrEmailTaken})
`, test: "TestBackfillReportsDuplicates",
	},
	{
		name: "a backfill always begins anew", file: "store/dynamostore/backfill.go",
		old: `parseCheckpoint(&b.store.attrs, b.After)`, new: `parseCheckpoint(&b.store.attrs, "")`, test: "TestBackfillIsResumedWhileTheHostWrites",
	},
	{
		name: "a backfill claims for users who are gone", file: "store/dynamostore/backfill.go",
		old: `case !exists || textOf(it[b.store.attrs.Email]) == "":`, new: `case !exists && false:`, test: "TestBackfillWhileTheHostWrites",
	},
	{
		name: "a backfill puts claims that are there", file: "store/dynamostore/backfill.go",
		old: `case got.owners[c.claim] == c.user.ID:`, new: `case false:`, test: "^TestBackfillClaims$",
	},
	{
		name: "a backfill goes as fast as it can", file: "store/dynamostore/backfill.go",
		old: `next.Add(pace*time.Duration(len(out.Items)))`, new: `next.Add(0*pace)`, test: "TestBackfillKeepsItsPace",
	},

	// Exclusive mode.
	{
		name: "creates with emails are transactions", file: "store/dynamostore/store.go",
		old: `claimsFirst: opts.Mode == Exclusive && `, new: `claimsFirst: false && `, test: "TestExclusiveMovesReadNothing",
	},
	{
		name: "claims are not put before the user", file: "store/dynamostore/commit.go",
		old: `	c.claimFirst = c.claim != "" && c.way != wayTransaction
`, test: "TestExclusiveCommitBreaksOff",
	},
	{
		name: "a claim of its own is not known again", file: "store/dynamostore/commit.go",
		old: `if got.owners[c.claim] != c.user.ID {`, new: `if true {`, test: "TestExclusiveCommitFindsItsClaim",
	},
	{
		name: "a claim that was refused is taken for its own", file: "store/dynamostore/commit.go",
		old: `if got.owners[c.claim] != c.user.ID {`, new: `if false {`, test: "TestClaimsLeftOver",
	},
	{
		name: "a claim that could not be put is not missed", file: "store/dynamostore/commit.go",
		old: `if !c.unsettled && *c.outcome == nil {`, new: `if !c.unsettled {`, test: "TestExclusiveCommitBreaksOff",
	},
	{
		name: "claims are put for users that are not written", file: "store/dynamostore/exclusive.go",
		old: `		return c.claim
`, new: `		return ""
`, test: "TestExclusiveCommitTakesClaimsBack",
	},
	{
		name: "a claim that its user needs is taken back", file: "store/dynamostore/exclusive.go",
		old: ` && !s.hasEmail(c.now, c.tenant, c.claim)`, new: ``, test: "TestExclusiveCommitTakesClaimsBack",
	},
	{
		name: "a release deletes the claim of another user", file: "store/dynamostore/exclusive.go",
		old: `" WHERE " + identifier(s.attrs.ClaimKey) + "=? AND " +
		identifier(s.attrs.ClaimUserID) + "=?", []types.AttributeValue{text(s.leaves(c)), text(c.user.ID)}`,
		new:  `" WHERE " + identifier(s.attrs.ClaimKey) + "=?", []types.AttributeValue{text(s.leaves(c))}`,
		test: "TestClaimsLeftOver",
	},
	{
		name: "commits do not take turns", file: "store/dynamostore/held.go",
		old: `if !h.holds(keys) {`, new: `if true {`, test: "TestExclusiveCommitsTakeTurns",
	},
	{
		name: "a commit holds no emails", file: "store/dynamostore/exclusive.go",
		old: `keys = append(keys, c.items()...)`, new: `keys = append(keys, c.key)`, test: "TestExclusiveCommitsTakeTurns/same_email",
	},
	{
		name: "two writes of a call claim one email", file: "store/dynamostore/exclusive.go",
		old: `if c.claim != "" && claimed[c.claim] {`, new: `if false {`, test: "TestEmailTwiceInAnExclusiveCall",
	},
	{
		name: "users are written before their emails are claimed", file: "store/dynamostore/commit.go",
		old: `	s.putClaims(ctx, changes)
	var byWay`, new: `	defer s.putClaims(ctx, changes)
	var byWay`, test: "TestExclusiveCommitBreaksOff",
	},
	{
		name: "old emails are released before users are written", file: "store/dynamostore/exclusive.go",
		old: `	s.commitGuarded(ctx, claimOnce(changes))
	s.releaseClaims(ctx, changes)
`, new: `	s.releaseClaims(ctx, changes)
	s.commitGuarded(ctx, claimOnce(changes))
`, test: "TestExclusiveCommitBreaksOff",
	},
	{
		name: "a throttle is told to nobody", file: "store/dynamostore/repeat.go",
		old: `			bulk.ReportThrottle(ctx, a.throttled)
`, new: `			_ = bulk.ReportThrottle
`, test: "TestRepeatTellsOfThrottles",
	},
}
