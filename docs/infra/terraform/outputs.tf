output "users_table" {
  description = "dynamostore.Options.UsersTable"
  value       = aws_dynamodb_table.users.name
}

output "claims_table" {
  description = "dynamostore.Options.ClaimsTable"
  value       = aws_dynamodb_table.claims.name
}

output "jobs_table" {
  description = "dynamojobs.Options.Table"
  value       = aws_dynamodb_table.jobs.name
}

output "blobs_bucket" {
  description = "s3blob.Options.Bucket"
  value       = aws_s3_bucket.blobs.bucket
}

output "api_policy_arn" {
  description = "The policy for processes that take requests."
  value       = aws_iam_policy.api.arn
}

output "worker_policy_arn" {
  description = "The policy for workers."
  value       = aws_iam_policy.worker.arn
}

output "queue_url" {
  description = "sqsjobs.Options.QueueURL, null without functions."
  value       = one(aws_sqs_queue.doorbell[*].url)
}

output "api_url" {
  description = "Where the function takes requests, below /v1/bulk/, null without one."
  value       = one(aws_lambda_function_url.api[*].function_url)
}
