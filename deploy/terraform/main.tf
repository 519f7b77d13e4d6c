data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  partition = data.aws_partition.current.partition
  account   = data.aws_caller_identity.current.account_id
  region    = data.aws_region.current.id
  bucket    = coalesce(var.bucket, "${var.name}-${local.account}-${local.region}")
  settings  = "/${var.name}/regsweep.yaml"
  pipeline  = var.definition != null
}

# Plans, reports and the journal, by which deleted images are restored.
resource "aws_s3_bucket" "this" {
  bucket = local.bucket
  tags   = var.tags
}

resource "aws_s3_bucket_public_access_block" "this" {
  bucket                  = aws_s3_bucket.this.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_server_side_encryption_configuration" "this" {
  bucket = aws_s3_bucket.this.id

  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "this" {
  bucket = aws_s3_bucket.this.id

  rule {
    id     = "runs"
    status = "Enabled"

    filter {
      prefix = "runs/"
    }

    expiration {
      days = 90
    }
  }

  rule {
    id     = "journal"
    status = "Enabled"

    filter {
      prefix = "journal/"
    }

    expiration {
      days = 400
    }
  }
}

resource "aws_s3_bucket_policy" "this" {
  bucket = aws_s3_bucket.this.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "EncryptedConnections"
      Effect    = "Deny"
      Principal = "*"
      Action    = "s3:*"
      Resource  = [aws_s3_bucket.this.arn, "${aws_s3_bucket.this.arn}/*"]
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })
}

resource "aws_ssm_parameter" "settings" {
  name  = local.settings
  type  = "String"
  tier  = "Intelligent-Tiering"
  value = coalesce(var.configuration, file("${path.module}/regsweep.yaml"))
  tags  = var.tags
}

# Reports of deletions, gaps, limits and failures.
resource "aws_sns_topic" "this" {
  name = var.name
  tags = var.tags
}

resource "aws_cloudwatch_log_group" "this" {
  name              = "/aws/lambda/${var.name}"
  retention_in_days = 90
  tags              = var.tags
}

resource "aws_lambda_function" "this" {
  function_name = var.name
  description   = "Deletes container images that nobody needs, and never one that somebody does"
  package_type  = "Image"
  image_uri     = var.image_uri
  architectures = [var.architecture]
  role          = aws_iam_role.function.arn
  timeout       = 900
  memory_size   = 1024
  # Two runs of the whole never apply at the same time; parts of the pipeline do.
  reserved_concurrent_executions = local.pipeline ? -1 : 1
  tags                           = var.tags

  ephemeral_storage {
    size = 2048
  }

  environment {
    variables = {
      MODE             = var.mode
      REGSWEEP_CONFIG  = "ssm:${aws_ssm_parameter.settings.name}"
      REGSWEEP_JOURNAL = "s3://${aws_s3_bucket.this.id}/journal/"
      TOPIC_ARN        = aws_sns_topic.this.arn
    }
  }

  depends_on = [aws_cloudwatch_log_group.this, aws_iam_role_policy.function]
}

resource "aws_cloudwatch_metric_alarm" "errors" {
  alarm_name          = "${var.name}-errors"
  alarm_description   = "An invocation of regsweep failed"
  namespace           = "AWS/Lambda"
  metric_name         = "Errors"
  dimensions          = { FunctionName = aws_lambda_function.this.function_name }
  statistic           = "Sum"
  period              = 300
  evaluation_periods  = 1
  threshold           = 0
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.this.arn]
  tags                = var.tags
}
