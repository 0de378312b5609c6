variable "tenant_id" {
  description = "tenant.id in the tenant's record"
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9][A-Za-z0-9._-]{1,63}$", var.tenant_id))
    error_message = "Not of the form [A-Za-z0-9][A-Za-z0-9._-]{1,63}."
  }
}

variable "table" {
  description = "DynamoDB table of the tenants' items"
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9._-]+$", var.table))
    error_message = "Not of the form [A-Za-z0-9._-]+."
  }
}

resource "aws_iam_policy" "palisade_base" {
  name        = "palisade-base"
  description = "Palisade's own identity: it may become roles, and nothing beside what its configuration needs"
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "AssumeTenantRoles"
        Effect   = "Allow"
        Action   = ["sts:AssumeRole"]
        Resource = ["arn:aws:iam::111122223333:role/tenant-*"]
      },
    ]
  })
}

resource "aws_iam_role" "tenant" {
  name                 = "tenant-${var.tenant_id}"
  path                 = "/"
  max_session_duration = 3600
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid    = "Assume"
        Effect = "Allow"
        Principal = {
          AWS = "arn:aws:iam::999900001111:role/palisade-base"
        }
        Action = ["sts:AssumeRole"]
      },
    ]
  })
}

resource "aws_iam_role_policy" "tenant_data" {
  name = "data"
  role = aws_iam_role.tenant.name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "Objects"
        Effect   = "Allow"
        Action   = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"]
        Resource = ["arn:aws:s3:::pool/${var.tenant_id}/*"]
      },
      {
        Sid      = "ListObjects"
        Effect   = "Allow"
        Action   = ["s3:ListBucket"]
        Resource = ["arn:aws:s3:::pool"]
        Condition = {
          StringLike = {
            "s3:prefix" = "${var.tenant_id}/*"
          }
        }
      },
      {
        Sid      = "Items"
        Effect   = "Allow"
        Action   = ["dynamodb:BatchGetItem", "dynamodb:BatchWriteItem", "dynamodb:ConditionCheckItem", "dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query", "dynamodb:UpdateItem"]
        Resource = ["arn:aws:dynamodb:eu-west-1:111122223333:table/${var.table}"]
        Condition = {
          "ForAllValues:StringLike" = {
            "dynamodb:LeadingKeys" = "${var.tenant_id}#*"
          }
          Null = {
            "dynamodb:LeadingKeys" = "false"
          }
        }
      },
      {
        Sid      = "ReachCollections"
        Effect   = "Allow"
        Action   = ["aoss:APIAccessAll"]
        Resource = ["arn:aws:aoss:eu-west-1:111122223333:collection/abc123"]
      },
    ]
  })
}

resource "aws_kms_key" "tenant" {
  enable_key_rotation = true
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid    = "AccountAdministersKey"
        Effect = "Allow"
        Principal = {
          AWS = "arn:aws:iam::111122223333:root"
        }
        Action   = ["kms:CancelKeyDeletion", "kms:CreateAlias", "kms:DeleteAlias", "kms:DescribeKey", "kms:DisableKey", "kms:DisableKeyRotation", "kms:EnableKey", "kms:EnableKeyRotation", "kms:GetKeyPolicy", "kms:GetKeyRotationStatus", "kms:ListGrants", "kms:ListKeyPolicies", "kms:ListKeyRotations", "kms:ListResourceTags", "kms:PutKeyPolicy", "kms:RevokeGrant", "kms:RotateKeyOnDemand", "kms:ScheduleKeyDeletion", "kms:TagResource", "kms:UntagResource", "kms:UpdateAlias", "kms:UpdateKeyDescription"]
        Resource = ["*"]
      },
      {
        Sid    = "TenantUsesKey"
        Effect = "Allow"
        Principal = {
          AWS = "arn:aws:iam::111122223333:role/tenant-${var.tenant_id}"
        }
        Action   = ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"]
        Resource = ["*"]
        Condition = {
          StringEquals = {
            "kms:ViaService" = ["s3.eu-west-1.amazonaws.com", "dynamodb.eu-west-1.amazonaws.com"]
          }
        }
      },
    ]
  })
}

resource "aws_opensearchserverless_access_policy" "tenant" {
  name = "palisade-tenant"
  type = "data"
  policy = jsonencode([
    {
      Rules = [
        {
          ResourceType = "index"
          Resource     = ["index/search/index-v1-${var.tenant_id}"]
          Permission   = ["aoss:CreateIndex", "aoss:DescribeIndex", "aoss:ReadDocument", "aoss:UpdateIndex", "aoss:WriteDocument"]
        },
      ]
      Principal = ["arn:aws:iam::111122223333:role/tenant-${var.tenant_id}"]
    },
  ])
}
