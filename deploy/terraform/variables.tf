variable "name" {
  description = "Name of the function, and of everything else."
  type        = string
  default     = "regsweep"
}

variable "image_uri" {
  description = "The image of regsweep in an ECR repository of this account and region, by digest or tag."
  type        = string
}

variable "architecture" {
  description = "Processor of the function: arm64 or x86_64."
  type        = string
  default     = "arm64"

  validation {
    condition     = contains(["arm64", "x86_64"], var.architecture)
    error_message = "Write arm64 or x86_64."
  }
}

variable "mode" {
  description = "plan only reports; apply deletes."
  type        = string
  default     = "plan"

  validation {
    condition     = contains(["plan", "apply"], var.mode)
    error_message = "Write plan or apply."
  }
}

variable "configuration" {
  description = "The configuration of regsweep as text; null is regsweep.yaml of this module. The role of the function fits that one; for other usage sources see additional_policy and docs/deploy.md."
  type        = string
  default     = null
}

variable "additional_policy" {
  description = "Statements that the role of the function has besides, such as those for other usage sources, as regsweep permissions iam prints them."
  type        = list(any)
  default     = []
}

variable "schedule_expression" {
  description = "When it runs, in UTC, as EventBridge writes schedules."
  type        = string
  default     = "cron(0 3 * * ? *)"
}

variable "definition" {
  description = "The definition of the Step Functions pipeline, as text: file(\"examples/step-functions/state-machine.asl.json\"). The schedule then starts the pipeline, which has no limit of 15 minutes. null is the function alone."
  type        = string
  default     = null
}

variable "bucket" {
  description = "Name of the bucket to make for plans, reports and the journal. null is a name made of the account and region."
  type        = string
  default     = null
}

variable "tags" {
  description = "Tags of everything."
  type        = map(string)
  default     = {}
}
