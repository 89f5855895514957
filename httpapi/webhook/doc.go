// Package webhook tells receivers of the end of jobs by HTTP, as the Standard Webhooks
// specification has it (https://www.standardwebhooks.com): a [bulk.Notifier].
//
//	notifier, err := webhook.New(webhook.Config{
//		Endpoint: func(ctx context.Context, job *bulk.Job) (webhook.Endpoint, error) {
//			return endpoints.Of(ctx, job.Tenant) // the host's own
//		},
//	})
//	cfg.Notifier = notifier // of importers and workers
//
// # The message
//
// Each end of a job is a POST with a JSON body:
//
//	{
//	  "type": "bulk.job.ended",
//	  "timestamp": "2026-11-25T10:00:07.000Z",
//	  "data": {
//	    "jobId": "job_01a2...", "parentJobId": null, "type": "user_import", "status": "completed",
//	    "totalRecords": 10000, "processedRecords": 10000, "progress": 100,
//	    "summary": {"created": 9990, "updated": 0, "unchanged": 0, "skipped": 0, "failed": 10, "notProcessed": 0},
//	    "label": "", "options": {"upsert": true, ...},
//	    "createdAt": "...", "startedAt": "...", "completedAt": "...", "expiresAt": "...",
//	    "error": null
//	  }
//	}
//
// data is the job as GET /v1/bulk/jobs/{jobId} shows it, without what is about a person
// (createdBy), what only a running job has, and the download link, which is a
// credential: whoever is told fetches the job. status is completed, failed or cancelled.
// More members may be added. The header webhook-id is the same for all messages about
// one end, and so is the body: a receiver that has seen it before answers 200 and does
// nothing. webhook-timestamp is when the message was sent, and webhook-signature has a
// signature for each secret of the endpoint.
//
// # Secrets
//
// A secret is "whsec_" and the base64 of 24 to 64 random bytes: see [NewSecret]. Give
// each endpoint its own. To change one, return the new and the old one until the
// receiver knows the new one.
//
// # Answers
//
// A status of 2xx is success, and all else is a failure, redirects too, which are not
// followed; the worker calls again as [bulk.Notifier] says, and not before a Retry-After
// of up to an hour has passed. 410 is for good: the error is [ErrGone], by which a host
// that wraps the notifier can learn that the endpoint is to be switched off. Of the
// answer only status and Retry-After are looked at.
//
// # Whom it can reach
//
// Tenants that choose the URL could make the server call its own network. So by default
// only public addresses are connected to, which is checked for each connection after the
// name was resolved, no proxy is used, and only https is allowed. A Config.Transport of
// the host's own, for receivers inside, has to see to that by itself, where URLs are not
// the host's. It is no protection of what has a public address and trusts yours.
package webhook
