variable "prefix" {
  description = "What the names of the tables, the policies and the bucket begin with."
  type        = string
  default     = "bulkops"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,30}$", var.prefix))
    error_message = "The prefix has 2 to 31 lower-case letters, digits and hyphens, a letter first."
  }
}

variable "blob_expire_days" {
  description = "How many days payloads and results are kept. No less than bulk.Config.Retention."
  type        = number
  default     = 30

  validation {
    condition     = var.blob_expire_days >= 30
    error_message = "Blobs are kept for at least 30 days."
  }
}

variable "kms_key_arn" {
  description = "ARN of the KMS key that encrypts tables and blobs. Null for keys that AWS owns, which cost nothing."
  type        = string
  default     = null
}

variable "ses_identity_arn" {
  description = "ARN of the SES identity that sends welcome emails. Null for no such permission."
  type        = string
  default     = null
}

variable "code_bucket" {
  description = "Bucket in this region that has the program of examples/lambda as a zip file. Null for no functions: then no variable below it matters."
  type        = string
  default     = null
}

variable "code_key" {
  description = "Key of that zip file. An update needs another key, by which Terraform knows that there is one."
  type        = string
  default     = "bulkops.zip"
}

variable "worker_timeout" {
  description = "How many seconds the worker may run. A job that takes longer goes on in the next invocation."
  type        = number
  default     = 900

  validation {
    condition     = var.worker_timeout >= 60 && var.worker_timeout <= 900
    error_message = "The worker runs for 60 to 900 seconds."
  }
}

variable "worker_memory" {
  description = "Memory of the worker in MB. 1,769 are one processor."
  type        = number
  default     = 1024

  validation {
    condition     = var.worker_memory >= 256 && var.worker_memory <= 10240
    error_message = "The worker has 256 to 10,240 MB."
  }
}

variable "worker_concurrency" {
  description = "How many jobs are worked on at once, beside those that sweeps find."
  type        = number
  default     = 10

  validation {
    condition     = var.worker_concurrency >= 2 && var.worker_concurrency <= 1000
    error_message = "Lambda bounds the concurrency of a queue at 2 to 1,000."
  }
}

variable "function_url_auth" {
  description = "Makes a function that takes requests by a function URL. NONE lets all of them reach the program, which asks for a bearer token. AWS_IAM is for a program of yours that takes the caller from the signature: that is in the same header as a bearer token. Null for no such function."
  type        = string
  default     = null

  validation {
    condition     = var.function_url_auth == null ? true : contains(["NONE", "AWS_IAM"], var.function_url_auth)
    error_message = "It is NONE, AWS_IAM or null."
  }
}

variable "api_memory" {
  description = "Memory of the function that takes requests in MB, at least twice httpapi.Config.MaxMemory."
  type        = number
  default     = 1024

  validation {
    condition     = var.api_memory >= 512 && var.api_memory <= 10240
    error_message = "The function has 512 to 10,240 MB."
  }
}

variable "api_tokens" {
  description = "Callers by the SHA-256 of their bearer tokens, as BULKOPS_TOKENS of examples/lambda has them."
  type        = string
  default     = ""
  sensitive   = true
}

variable "webhook_url" {
  description = "URL that is told of the end of each job. Empty for nobody."
  type        = string
  default     = ""
}

variable "webhook_secret" {
  description = "Secret that these messages are signed with, as BULKOPS_WEBHOOK_SECRET of examples/lambda has it."
  type        = string
  default     = ""
  sensitive   = true
}

variable "log_days" {
  description = "How many days the functions' logs are kept."
  type        = number
  default     = 30

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_days)
    error_message = "CloudWatch keeps logs for one of the numbers of days that its API reference lists at PutRetentionPolicy."
  }
}

variable "oldest_job_seconds" {
  description = "How old a job's message gets before there is an alarm. It is there until its invocation has ended."
  type        = number
  default     = 3600

  validation {
    condition     = var.oldest_job_seconds >= 900
    error_message = "A message may be 900 seconds old while its job is worked on."
  }
}

variable "alarm_topic_arn" {
  description = "ARN of the SNS topic that alarms are sent to. Null for alarms that are only seen in CloudWatch."
  type        = string
  default     = null
}
