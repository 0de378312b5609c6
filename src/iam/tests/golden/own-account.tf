variable "tenant_id" {
  description = "tenant.id in the tenant's record"
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9][A-Za-z0-9._-]{1,63}$", var.tenant_id))
    error_message = "Not of the form [A-Za-z0-9][A-Za-z0-9._-]{1,63}."
  }
}

variable "tenant_external_id" {
  description = "tenant.external_id in the tenant's record"
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9_+=,.@:/-]+$", var.tenant_external_id))
    error_message = "Not of the form [A-Za-z0-9_+=,.@:/-]+."
  }
}

variable "tenant_account" {
  description = "tenant.account in the tenant's record"
  type        = string

  validation {
    condition     = can(regex("^[0-9]{12}$", var.tenant_account))
    error_message = "Not of the form [0-9]{12}."
  }
}

resource "aws_iam_role" "tenant" {
  name                 = "data"
  path                 = "/"
  max_session_duration = 7200
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
        Condition = {
          StringEquals = {
            "aws:RequestTag/TenantID" = var.tenant_id
            "sts:ExternalId"          = var.tenant_external_id
          }
        }
      },
      {
        Sid    = "Tag"
        Effect = "Allow"
        Principal = {
          AWS = "arn:aws:iam::999900001111:role/palisade-base"
        }
        Action = ["sts:TagSession"]
        Condition = {
          StringEquals = {
            "aws:RequestTag/TenantID" = var.tenant_id
          }
          "ForAllValues:StringEquals" = {
            "aws:TagKeys" = "TenantID"
          }
          Null = {
            "aws:TagKeys"           = "false"
            "sts:TransitiveTagKeys" = "true"
          }
        }
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
        Resource = ["arn:aws:s3:::pool/$${aws:PrincipalTag/TenantID}/*"]
      },
      {
        Sid      = "ListObjects"
        Effect   = "Allow"
        Action   = ["s3:ListBucket"]
        Resource = ["arn:aws:s3:::pool"]
        Condition = {
          StringLike = {
            "s3:prefix" = "$${aws:PrincipalTag/TenantID}/*"
          }
        }
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
          AWS = "arn:aws:iam::${var.tenant_account}:root"
        }
        Action   = ["kms:CancelKeyDeletion", "kms:CreateAlias", "kms:DeleteAlias", "kms:DescribeKey", "kms:DisableKey", "kms:DisableKeyRotation", "kms:EnableKey", "kms:EnableKeyRotation", "kms:GetKeyPolicy", "kms:GetKeyRotationStatus", "kms:ListGrants", "kms:ListKeyPolicies", "kms:ListKeyRotations", "kms:ListResourceTags", "kms:PutKeyPolicy", "kms:RevokeGrant", "kms:RotateKeyOnDemand", "kms:ScheduleKeyDeletion", "kms:TagResource", "kms:UntagResource", "kms:UpdateAlias", "kms:UpdateKeyDescription"]
        Resource = ["*"]
      },
      {
        Sid    = "TenantUsesKey"
        Effect = "Allow"
        Principal = {
          AWS = "arn:aws:iam::${var.tenant_account}:role/data"
        }
        Action   = ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"]
        Resource = ["*"]
        Condition = {
          StringEquals = {
            "aws:PrincipalTag/TenantID" = var.tenant_id
          }
        }
      },
    ]
  })
}
