# What "regsweep permissions iam --for lambda" prints for the configuration, in this
# account; a test compares.
locals {
  function_statements = [
    {
      Effect   = "Allow"
      Action   = concat(["ecr:BatchGetImage", "ecr:DescribeImages", "ecr:DescribeRepositories"], var.mode == "apply" ? ["ecr:BatchDeleteImage"] : [])
      Resource = ["arn:${local.partition}:ecr:${local.region}:${local.account}:repository/*"]
    },
    {
      Effect = "Allow"
      Action = [
        "apprunner:ListServices",
        "ecs:DescribeTaskDefinition",
        "ecs:ListClusters",
        "ecs:ListServices",
        "ecs:ListTaskDefinitions",
        "ecs:ListTasks",
        "lambda:ListFunctions",
      ]
      Resource = ["*"] # AWS lets nobody restrict these
    },
    {
      Effect   = "Allow"
      Action   = ["apprunner:DescribeService"]
      Resource = ["arn:${local.partition}:apprunner:${local.region}:${local.account}:service/*"]
    },
    {
      Effect   = "Allow"
      Action   = ["ecs:DescribeServices", "ecs:ListServiceDeployments", "ecs:DescribeServiceDeployments", "ecs:DescribeServiceRevisions"]
      Resource = ["arn:${local.partition}:ecs:${local.region}:${local.account}:service/*"]
    },
    {
      Effect   = "Allow"
      Action   = ["ecs:DescribeServiceDeployments"]
      Resource = ["arn:${local.partition}:ecs:${local.region}:${local.account}:service-deployment/*"]
    },
    {
      Effect   = "Allow"
      Action   = ["ecs:DescribeServiceRevisions"]
      Resource = ["arn:${local.partition}:ecs:${local.region}:${local.account}:service-revision/*"]
    },
    {
      Effect   = "Allow"
      Action   = ["ecs:DescribeTasks"]
      Resource = ["arn:${local.partition}:ecs:${local.region}:${local.account}:task/*"]
    },
    {
      Effect   = "Allow"
      Action   = ["lambda:GetFunction", "lambda:ListAliases"]
      Resource = ["arn:${local.partition}:lambda:${local.region}:${local.account}:function:*"]
    },
    {
      Effect   = "Allow"
      Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
      Resource = ["arn:${local.partition}:logs:${local.region}:${local.account}:log-group:/aws/lambda/${var.name}:*"]
    },
    {
      Effect   = "Allow"
      Action   = ["s3:GetObject"]
      Resource = ["${aws_s3_bucket.this.arn}/journal/*", "${aws_s3_bucket.this.arn}/runs/*"]
    },
    {
      Effect   = "Allow"
      Action   = ["s3:PutObject"]
      Resource = concat(["${aws_s3_bucket.this.arn}/runs/*"], var.mode == "apply" ? ["${aws_s3_bucket.this.arn}/journal/*"] : [])
    },
    {
      Effect   = "Allow"
      Action   = ["s3:ListBucket"]
      Resource = [aws_s3_bucket.this.arn]
    },
    {
      Effect   = "Allow"
      Action   = ["ssm:GetParameter"]
      Resource = ["arn:${local.partition}:ssm:${local.region}:${local.account}:parameter${local.settings}"]
    },
    {
      Effect   = "Allow"
      Action   = ["sns:Publish"]
      Resource = [aws_sns_topic.this.arn]
    },
  ]
}

resource "aws_iam_role" "function" {
  name = "${var.name}-function"
  tags = var.tags

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "lambda.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })
}

resource "aws_iam_role_policy" "function" {
  name = "regsweep"
  role = aws_iam_role.function.id

  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = concat(local.function_statements, var.additional_policy)
  })
}
