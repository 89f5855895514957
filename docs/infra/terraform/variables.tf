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
