# The schedule invokes the function in small accounts, and starts the pipeline in
# large ones.
resource "aws_cloudwatch_event_rule" "this" {
  name                = var.name
  description         = "Starts regsweep"
  schedule_expression = var.schedule_expression
  tags                = var.tags
}

resource "aws_cloudwatch_event_target" "this" {
  rule     = aws_cloudwatch_event_rule.this.name
  arn      = local.pipeline ? aws_sfn_state_machine.this[0].arn : aws_lambda_function.this.arn
  role_arn = local.pipeline ? aws_iam_role.pipeline["schedule"].arn : null
  input    = local.pipeline ? "{}" : null

  retry_policy {
    maximum_retry_attempts       = 2
    maximum_event_age_in_seconds = 3600
  }
}

resource "aws_lambda_permission" "schedule" {
  count = local.pipeline ? 0 : 1

  function_name = aws_lambda_function.this.function_name
  action        = "lambda:InvokeFunction"
  principal     = "events.amazonaws.com"
  source_arn    = aws_cloudwatch_event_rule.this.arn
}

# The pipeline, and who starts it.
resource "aws_iam_role" "pipeline" {
  for_each = { for role, service in { pipeline = "states", schedule = "events" } : role => service if local.pipeline }

  name = "${var.name}-${each.key}"
  tags = var.tags

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "${each.value}.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = { StringEquals = { "aws:SourceAccount" = local.account } }
    }]
  })
}

resource "aws_iam_role_policy" "pipeline" {
  count = local.pipeline ? 1 : 0

  name = "pipeline"
  role = aws_iam_role.pipeline["pipeline"].id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect   = "Allow"
        Action   = ["lambda:InvokeFunction"]
        Resource = [aws_lambda_function.this.arn]
      },
      # The lists of parts, and the results of a distributed Map.
      {
        Effect   = "Allow"
        Action   = ["s3:AbortMultipartUpload", "s3:GetObject", "s3:ListMultipartUploadParts", "s3:PutObject"]
        Resource = ["${aws_s3_bucket.this.arn}/runs/*"]
      },
      # A distributed Map starts executions of its own state machine.
      {
        Effect   = "Allow"
        Action   = ["states:StartExecution"]
        Resource = ["arn:${local.partition}:states:${local.region}:${local.account}:stateMachine:${var.name}"]
      },
      {
        Effect   = "Allow"
        Action   = ["states:DescribeExecution", "states:RedriveExecution", "states:StopExecution"]
        Resource = ["arn:${local.partition}:states:${local.region}:${local.account}:execution:${var.name}/*"]
      },
    ]
  })
}

resource "aws_sfn_state_machine" "this" {
  count = local.pipeline ? 1 : 0

  name     = var.name
  role_arn = aws_iam_role.pipeline["pipeline"].arn
  tags     = var.tags

  definition = replace(replace(replace(var.definition,
    "$${Partition}", local.partition),
    "$${Function}", aws_lambda_function.this.arn),
  "$${Bucket}", aws_s3_bucket.this.id)
}

# An execution that was held by a gap or a limit has failed, too.
resource "aws_cloudwatch_metric_alarm" "pipeline" {
  count = local.pipeline ? 1 : 0

  alarm_name          = "${var.name}-pipeline"
  alarm_description   = "The pipeline of regsweep failed, or something was held"
  namespace           = "AWS/States"
  metric_name         = "ExecutionsFailed"
  dimensions          = { StateMachineArn = aws_sfn_state_machine.this[0].arn }
  statistic           = "Sum"
  period              = 300
  evaluation_periods  = 1
  threshold           = 0
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.this.arn]
  tags                = var.tags
}

resource "aws_iam_role_policy" "schedule" {
  count = local.pipeline ? 1 : 0

  name = "start"
  role = aws_iam_role.pipeline["schedule"].id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect   = "Allow"
      Action   = ["states:StartExecution"]
      Resource = [aws_sfn_state_machine.this[0].arn]
    }]
  })
}
