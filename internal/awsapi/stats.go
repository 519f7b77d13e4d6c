package awsapi

// OperationStats counts the calls of one operation in one account and region.
type OperationStats struct {
	// Account is the account id of the assumed role, or "" for the session's own
	// account.
	Account string
	Region  string
	// Service is the SDK's name of the service, such as "ECR", and Operation the
	// name of the call, such as "DescribeImages".
	Service, Operation string
	// Calls counts what was sent, with retries and with what was throttled.
	Calls int64
	// Throttled counts the calls that AWS refused for their rate.
	Throttled int64
	// Retries counts the calls that repeated an earlier one.
	Retries int64
	// InFlight is how many calls are unanswered now, and PeakInFlight the most
	// that were at one time.
	InFlight, PeakInFlight int
	// Rate is how many calls a second the limiter allows now, or 0 while it has
	// met no limit.
	Rate float64
}

// Stats says what a session sent so far.
type Stats struct {
	// Operations is sorted by account, region, service and operation.
	Operations []OperationStats
}

// Total returns the sum over all operations. Its names and its rate are empty,
// and its PeakInFlight is the largest of any operation.
func (s Stats) Total() OperationStats {
	var total OperationStats
	for _, o := range s.Operations {
		total.Calls += o.Calls
		total.Throttled += o.Throttled
		total.Retries += o.Retries
		total.InFlight += o.InFlight
		total.PeakInFlight = max(total.PeakInFlight, o.PeakInFlight)
	}
	return total
}
