package bulk

import (
	"context"
	"log/slog"
	"time"
)

// logEnd logs that a job has ended: one line a job, of whoever has ended it. Should
// the process die right after the end, there is none. docs/operations.md lists the
// fields.
func logEnd(ctx context.Context, log *slog.Logger, job *Job) {
	began := job.StartedAt
	if began.IsZero() {
		began = job.CompletedAt
	}
	s := job.Summary()
	attrs := []slog.Attr{
		slog.String("job", job.ID), slog.String("tenant", job.Tenant), slog.String("status", string(job.Status)),
		slog.Bool("dryRun", job.Options.DryRun), slog.Int("rows", job.TotalRecords),
		slog.Int("created", s.Created), slog.Int("updated", s.Updated), slog.Int("unchanged", s.Unchanged),
		slog.Int("skipped", s.Skipped), slog.Int("failed", s.Failed), slog.Int("notProcessed", s.NotProcessed),
		slog.Int64("attempts", job.Token),
		seconds("waitSeconds", began.Sub(job.CreatedAt)), seconds("runSeconds", job.CompletedAt.Sub(began)),
	}
	if job.Error != nil {
		attrs = append(attrs, slog.String("code", job.Error.Code))
	}
	log.LogAttrs(ctx, slog.LevelInfo, "job ended", attrs...)
}

func seconds(name string, d time.Duration) slog.Attr {
	return slog.Float64(name, d.Round(time.Millisecond).Seconds())
}
