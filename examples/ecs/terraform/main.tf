# The task definition beside this folder, its execution role, and a service. Fargate, or container instances with `launch_type = "EC2"`.
terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.0"
    }
  }
}

variable "palisade_image" {
  type = string
}

variable "application_image" {
  type = string
}

variable "secret_arn" {
  description = "A secret in JSON: tls_certificate, tls_key, admin_token, metrics_token, base_secret_access_key."
  type        = string
}

variable "cluster" {
  type = string
}

variable "subnets" {
  type = list(string)
}

variable "security_groups" {
  type = list(string)
}

variable "launch_type" {
  type    = string
  default = "FARGATE"
}

data "aws_region" "here" {}

locals {
  task = jsondecode(templatefile("${path.module}/../task-definition.json", {
    palisade_image     = var.palisade_image
    application_image  = var.application_image
    execution_role_arn = aws_iam_role.execution.arn
    config_arn         = aws_ssm_parameter.config.arn
    secret_arn         = var.secret_arn
    log_group          = aws_cloudwatch_log_group.task.name
    region             = data.aws_region.here.name
  }))
}

resource "aws_ssm_parameter" "config" {
  name  = "/palisade/orders/config"
  type  = "String"
  value = file("${path.module}/../palisade.yaml")
}

resource "aws_cloudwatch_log_group" "task" {
  name              = "/ecs/orders"
  retention_in_days = 30
}

# For ECS itself, which fetches the secrets before the containers start. No container can ask for its credentials.
resource "aws_iam_role" "execution" {
  name = "orders-execution"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "ecs-tasks.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })
}

resource "aws_iam_role_policy_attachment" "execution" {
  role       = aws_iam_role.execution.name
  policy_arn = "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"
}

resource "aws_iam_role_policy" "secrets" {
  name = "secrets"
  role = aws_iam_role.execution.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      { Effect = "Allow", Action = "secretsmanager:GetSecretValue", Resource = var.secret_arn },
      { Effect = "Allow", Action = "ssm:GetParameters", Resource = aws_ssm_parameter.config.arn },
    ]
  })
}

# There is no task_role_arn, and there must be none: its credentials would be the application's as well.
resource "aws_ecs_task_definition" "orders" {
  family                   = local.task.family
  network_mode             = local.task.networkMode
  requires_compatibilities = local.task.requiresCompatibilities
  cpu                      = local.task.cpu
  memory                   = local.task.memory
  execution_role_arn       = aws_iam_role.execution.arn
  container_definitions    = jsonencode(local.task.containerDefinitions)
}

resource "aws_ecs_service" "orders" {
  name                   = "orders"
  cluster                = var.cluster
  task_definition        = aws_ecs_task_definition.orders.arn
  desired_count          = 2
  launch_type            = var.launch_type
  enable_execute_command = false

  network_configuration {
    subnets         = var.subnets
    security_groups = var.security_groups
  }

  depends_on = [aws_iam_role_policy.secrets, aws_iam_role_policy_attachment.execution]
}
