output "function" {
  description = "The function; invoke it with {\"op\": \"plan\"}."
  value       = aws_lambda_function.this.function_name
}

output "function_role" {
  description = "The role whose pulls do not count, with a pull time exclusion of ECR."
  value       = aws_iam_role.function.arn
}

output "bucket" {
  description = "Plans and reports under runs/, the journal under journal/."
  value       = aws_s3_bucket.this.id
}

output "topic" {
  description = "Who subscribes to it is told of deletions, gaps, limits and failures."
  value       = aws_sns_topic.this.arn
}

output "state_machine" {
  description = "The pipeline, if there is one."
  value       = local.pipeline ? aws_sfn_state_machine.this[0].arn : null
}
