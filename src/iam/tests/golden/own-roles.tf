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
        Resource = ["arn:aws:iam::111122223333:role/tenant-acme", "arn:aws:iam::111122223333:role/tenant-globex"]
      },
    ]
  })
}

resource "aws_iam_role" "tenant_1" {
  name                 = "tenant-acme"
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

resource "aws_iam_role_policy" "tenant_1_data" {
  name = "data"
  role = aws_iam_role.tenant_1.name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "Objects"
        Effect   = "Allow"
        Action   = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"]
        Resource = ["arn:aws:s3:::pool/acme/*"]
      },
      {
        Sid      = "ListObjects"
        Effect   = "Allow"
        Action   = ["s3:ListBucket"]
        Resource = ["arn:aws:s3:::pool"]
        Condition = {
          StringLike = {
            "s3:prefix" = "acme/*"
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

resource "aws_iam_role" "tenant_2" {
  name                 = "tenant-globex"
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

resource "aws_iam_role_policy" "tenant_2_data" {
  name = "data"
  role = aws_iam_role.tenant_2.name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "Objects"
        Effect   = "Allow"
        Action   = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"]
        Resource = ["arn:aws:s3:::pool/globex/*"]
      },
      {
        Sid      = "ListObjects"
        Effect   = "Allow"
        Action   = ["s3:ListBucket"]
        Resource = ["arn:aws:s3:::pool"]
        Condition = {
          StringLike = {
            "s3:prefix" = "globex/*"
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

resource "aws_opensearchserverless_access_policy" "tenant_1" {
  name = "palisade-tenant-1"
  type = "data"
  policy = jsonencode([
    {
      Rules = [
        {
          ResourceType = "index"
          Resource     = ["index/search/index-v1-acme"]
          Permission   = ["aoss:CreateIndex", "aoss:DescribeIndex", "aoss:ReadDocument", "aoss:UpdateIndex", "aoss:WriteDocument"]
        },
      ]
      Principal = ["arn:aws:iam::111122223333:role/tenant-acme"]
    },
  ])
}

resource "aws_opensearchserverless_access_policy" "tenant_2" {
  name = "palisade-tenant-2"
  type = "data"
  policy = jsonencode([
    {
      Rules = [
        {
          ResourceType = "index"
          Resource     = ["index/search/index-v1-globex"]
          Permission   = ["aoss:CreateIndex", "aoss:DescribeIndex", "aoss:ReadDocument", "aoss:UpdateIndex", "aoss:WriteDocument"]
        },
      ]
      Principal = ["arn:aws:iam::111122223333:role/tenant-globex"]
    },
  ])
}
