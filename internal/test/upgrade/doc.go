// Package upgrade holds later versions to what earlier ones stored: testdata has jobs
// in the middle of their work, as a worker of a commit leaves them that dies, and the
// test lets today's worker finish them.
//
// Command record, below this package, makes such a file by the code that it is compiled
// with. To record what a commit stores, run it there:
//
//	git worktree add /tmp/before COMMIT
//	cp -r internal/test/upgrade /tmp/before/internal/test/
//	cd /tmp/before && go run ./internal/test/upgrade/record -commit COMMIT
//
// and copy testdata back. Command recordjobs does the same for the items of the jobs
// table in DynamoDB, with "go run ./internal/cmd/testservers -aws --" before it. A file
// stays when the format changes: jobs that an older version accepted are run by a newer
// one.
package upgrade
