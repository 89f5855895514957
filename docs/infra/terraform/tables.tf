# The keys and indexes are those of dynamostore.CreateTables and
# dynamojobs.CreateTable; tests compare them.

resource "aws_dynamodb_table" "users" {
  name                        = "${var.prefix}-users"
  billing_mode                = "PAY_PER_REQUEST"
  deletion_protection_enabled = true
  hash_key                    = "pk"

  attribute {
    name = "pk"
    type = "S"
  }

  point_in_time_recovery {
    enabled = true
  }

  dynamic "server_side_encryption" {
    for_each = var.kms_key_arn[*]
    content {
      enabled     = true
      kms_key_arn = server_side_encryption.value
    }
  }
}

resource "aws_dynamodb_table" "claims" {
  name                        = "${var.prefix}-claims"
  billing_mode                = "PAY_PER_REQUEST"
  deletion_protection_enabled = true
  hash_key                    = "pk"

  attribute {
    name = "pk"
    type = "S"
  }

  point_in_time_recovery {
    enabled = true
  }

  dynamic "server_side_encryption" {
    for_each = var.kms_key_arn[*]
    content {
      enabled     = true
      kms_key_arn = server_side_encryption.value
    }
  }
}

resource "aws_dynamodb_table" "jobs" {
  name                        = "${var.prefix}-jobs"
  billing_mode                = "PAY_PER_REQUEST"
  deletion_protection_enabled = true
  hash_key                    = "id"

  attribute {
    name = "id"
    type = "S"
  }

  attribute {
    name = "tenant"
    type = "S"
  }

  attribute {
    name = "claimShard"
    type = "S"
  }

  attribute {
    name = "claimTurn"
    type = "S"
  }

  global_secondary_index {
    name               = "tenant"
    hash_key           = "tenant"
    range_key          = "id"
    projection_type    = "INCLUDE"
    non_key_attributes = ["status", "expiresAt"]
  }

  global_secondary_index {
    name               = "claimable"
    hash_key           = "claimShard"
    range_key          = "claimTurn"
    projection_type    = "INCLUDE"
    non_key_attributes = ["claimAt", "expiresAt"]
  }

  ttl {
    attribute_name = "ttl"
    enabled        = true
  }

  dynamic "server_side_encryption" {
    for_each = var.kms_key_arn[*]
    content {
      enabled     = true
      kms_key_arn = server_side_encryption.value
    }
  }
}
