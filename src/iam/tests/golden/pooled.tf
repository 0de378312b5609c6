variable "table" {
  description = "DynamoDB table of the tenants' items"
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9._-]+$", var.table))
    error_message = "Not of the form [A-Za-z0-9._-]+."
  }
}

variable "tenant_id" {
  description = "tenant.id in the tenant's record"
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9][A-Za-z0-9._-]{1,63}$", var.tenant_id))
    error_message = "Not of the form [A-Za-z0-9][A-Za-z0-9._-]{1,63}."
  }
}

variable "admin_arn" {
  description = "ARN of the role that may change tenant roles"
  type        = string

  validation {
    condition     = can(regex("^arn:[a-z-]+:iam::[0-9]{12}:(role|user)/[A-Za-z0-9_+=,.@/-]+$", var.admin_arn))
    error_message = "Not of the form arn:[a-z-]+:iam::[0-9]{12}:(role|user)/[A-Za-z0-9_+=,.@/-]+."
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
        Resource = ["arn:aws:iam::111122223333:role/data/tenant-pool"]
      },
      {
        Sid      = "TagTenantSessions"
        Effect   = "Allow"
        Action   = ["sts:TagSession"]
        Resource = ["arn:aws:iam::111122223333:role/data/tenant-pool"]
        Condition = {
          "ForAllValues:StringEquals" = {
            "aws:TagKeys" = ["App", "Cell", "TenantID"]
          }
          Null = {
            "aws:TagKeys" = "false"
          }
        }
      },
      {
        Sid      = "SayWhoItIsFor"
        Effect   = "Allow"
        Action   = ["sts:SetSourceIdentity"]
        Resource = ["arn:aws:iam::111122223333:role/data/tenant-pool"]
      },
    ]
  })
}

resource "aws_iam_role" "tenant" {
  name                 = "tenant-pool"
  path                 = "/data/"
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
        Condition = {
          StringLike = {
            "aws:RequestTag/TenantID" = "?*"
            "aws:RequestTag/Cell"     = "?*"
          }
          StringEquals = {
            "aws:RequestTag/App" = "palisade"
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
          StringLike = {
            "aws:RequestTag/TenantID" = "?*"
            "aws:RequestTag/Cell"     = "?*"
          }
          StringEquals = {
            "aws:RequestTag/App" = "palisade"
          }
          "ForAllValues:StringEquals" = {
            "aws:TagKeys"           = ["TenantID", "Cell", "App"]
            "sts:TransitiveTagKeys" = "TenantID"
          }
          Null = {
            "aws:TagKeys" = "false"
          }
        }
      },
      {
        Sid    = "Source"
        Effect = "Allow"
        Principal = {
          AWS = "arn:aws:iam::999900001111:role/palisade-base"
        }
        Action = ["sts:SetSourceIdentity"]
        Condition = {
          StringLike = {
            "sts:SourceIdentity" = "?*"
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
      {
        Sid      = "Items"
        Effect   = "Allow"
        Action   = ["dynamodb:BatchGetItem", "dynamodb:BatchWriteItem", "dynamodb:ConditionCheckItem", "dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query", "dynamodb:UpdateItem"]
        Resource = ["arn:aws:dynamodb:eu-west-1:111122223333:table/${var.table}"]
        Condition = {
          "ForAllValues:StringLike" = {
            "dynamodb:LeadingKeys" = "$${aws:PrincipalTag/TenantID}#*"
          }
          Null = {
            "dynamodb:LeadingKeys" = "false"
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
          AWS = "arn:aws:iam::111122223333:root"
        }
        Action   = ["kms:CancelKeyDeletion", "kms:CreateAlias", "kms:DeleteAlias", "kms:DescribeKey", "kms:DisableKey", "kms:DisableKeyRotation", "kms:EnableKey", "kms:EnableKeyRotation", "kms:GetKeyPolicy", "kms:GetKeyRotationStatus", "kms:ListGrants", "kms:ListKeyPolicies", "kms:ListKeyRotations", "kms:ListResourceTags", "kms:PutKeyPolicy", "kms:RevokeGrant", "kms:RotateKeyOnDemand", "kms:ScheduleKeyDeletion", "kms:TagResource", "kms:UntagResource", "kms:UpdateAlias", "kms:UpdateKeyDescription"]
        Resource = ["*"]
      },
      {
        Sid    = "TenantUsesKey"
        Effect = "Allow"
        Principal = {
          AWS = "arn:aws:iam::111122223333:role/data/tenant-pool"
        }
        Action   = ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"]
        Resource = ["*"]
        Condition = {
          StringEquals = {
            "aws:PrincipalTag/TenantID" = var.tenant_id
            "kms:ViaService"            = ["s3.eu-west-1.amazonaws.com", "dynamodb.eu-west-1.amazonaws.com"]
          }
        }
      },
    ]
  })
}

resource "aws_organizations_policy" "palisade_control" {
  name = "palisade-tenant-roles"
  type = "SERVICE_CONTROL_POLICY"
  content = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "TenantRolesAreForPalisade"
        Effect   = "Deny"
        Action   = ["sts:AssumeRole"]
        Resource = ["arn:aws:iam::111122223333:role/data/tenant-pool"]
        Condition = {
          ArnNotLike = {
            "aws:PrincipalArn" = "arn:aws:iam::999900001111:role/palisade-base"
          }
        }
      },
      {
        Sid      = "TenantRolesStayAsTheyAre"
        Effect   = "Deny"
        Action   = ["iam:AttachRolePolicy", "iam:CreateRole", "iam:DeleteRole", "iam:DeleteRolePermissionsBoundary", "iam:DeleteRolePolicy", "iam:DetachRolePolicy", "iam:PassRole", "iam:PutRolePermissionsBoundary", "iam:PutRolePolicy", "iam:TagRole", "iam:UntagRole", "iam:UpdateAssumeRolePolicy", "iam:UpdateRole", "iam:UpdateRoleDescription"]
        Resource = ["arn:aws:iam::111122223333:role/data/tenant-pool"]
        Condition = {
          ArnNotLike = {
            "aws:PrincipalArn" = var.admin_arn
          }
        }
      },
      {
        Sid       = "PalisadeOnlyAssumes"
        Effect    = "Deny"
        NotAction = ["sts:AssumeRole", "sts:GetCallerIdentity", "sts:SetSourceIdentity", "sts:TagSession"]
        Resource  = ["*"]
        Condition = {
          ArnLike = {
            "aws:PrincipalArn" = "arn:aws:iam::999900001111:role/palisade-base"
          }
        }
      },
    ]
  })
}
