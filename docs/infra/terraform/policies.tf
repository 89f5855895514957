data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

data "aws_region" "current" {}

locals {
  # The region's name, under the name that every version of the provider has.
  region = data.aws_region.current.id
  ses    = "arn:${data.aws_partition.current.partition}:ses:${local.region}:${data.aws_caller_identity.current.account_id}"
}

# What processes that take requests and workers have in common.
data "aws_iam_policy_document" "both" {
  statement {
    sid = "Users"
    actions = [
      "dynamodb:BatchGetItem",
      "dynamodb:ConditionCheckItem",
      "dynamodb:PartiQLInsert",
      "dynamodb:PartiQLUpdate",
      "dynamodb:PutItem",
      "dynamodb:UpdateItem",
    ]
    resources = [aws_dynamodb_table.users.arn]
  }

  statement {
    sid = "Claims"
    actions = [
      "dynamodb:BatchGetItem",
      "dynamodb:DeleteItem",
      "dynamodb:PutItem",
    ]
    resources = [aws_dynamodb_table.claims.arn]
  }

  statement {
    sid = "Blobs"
    actions = [
      "s3:AbortMultipartUpload",
      "s3:DeleteObject",
      "s3:GetObject",
      "s3:PutObject",
    ]
    resources = ["${aws_s3_bucket.blobs.arn}/*"]
  }

  statement {
    sid       = "TellMissingBlobs"
    actions   = ["s3:ListBucket"]
    resources = [aws_s3_bucket.blobs.arn]
  }

  dynamic "statement" {
    for_each = var.ses_identity_arn[*]
    content {
      sid       = "Mail"
      actions   = ["ses:SendBulkEmail"]
      resources = [statement.value, "${local.ses}:template/*", "${local.ses}:configuration-set/*"]
    }
  }

  dynamic "statement" {
    for_each = var.kms_key_arn[*]
    content {
      sid       = "Key"
      actions   = ["kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKey"]
      resources = [statement.value]

      condition {
        test     = "StringEquals"
        variable = "kms:ViaService"
        values   = ["dynamodb.${local.region}.amazonaws.com", "s3.${local.region}.amazonaws.com"]
      }
    }
  }
}

data "aws_iam_policy_document" "api" {
  source_policy_documents = [data.aws_iam_policy_document.both.json]

  statement {
    sid = "Jobs"
    actions = [
      "dynamodb:BatchGetItem",
      "dynamodb:GetItem",
      "dynamodb:PutItem",
      "dynamodb:UpdateItem",
    ]
    resources = [aws_dynamodb_table.jobs.arn]
  }

  statement {
    sid       = "ListJobs"
    actions   = ["dynamodb:Query"]
    resources = ["${aws_dynamodb_table.jobs.arn}/index/tenant"]
  }
}

data "aws_iam_policy_document" "worker" {
  source_policy_documents = [data.aws_iam_policy_document.both.json]

  statement {
    sid       = "Jobs"
    actions   = ["dynamodb:GetItem", "dynamodb:UpdateItem"]
    resources = [aws_dynamodb_table.jobs.arn]
  }

  statement {
    sid       = "FindJobs"
    actions   = ["dynamodb:Query"]
    resources = ["${aws_dynamodb_table.jobs.arn}/index/claimable"]
  }
}

resource "aws_iam_policy" "api" {
  name_prefix = "${var.prefix}-api-"
  description = "For processes that take requests of bulkops."
  policy      = data.aws_iam_policy_document.api.json
}

resource "aws_iam_policy" "worker" {
  name_prefix = "${var.prefix}-worker-"
  description = "For workers of bulkops."
  policy      = data.aws_iam_policy_document.worker.json
}
