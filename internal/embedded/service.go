package embedded

import (
	"maps"
	"net/http"
	"slices"
)

// services lists every service of the embedded account. This is the one place
// where a service is plugged in.
func services() []*service {
	return []*service{
		stsService(),
		taggingService(),
		ecrService(),
		ecsService(),
		lambdaService(),
		appRunnerService(),
		s3Service(),
		snsService(),
		ssmService(),
	}
}

// protocol is one of the wire protocols of AWS.
type protocol int

const (
	// json10 and json11 name the operation in the X-Amz-Target header.
	json10 protocol = iota
	json11
	// restJSON names the operation by method and path.
	restJSON
	// query names the operation by the form field Action, and answers in XML.
	query
	// restXML is what Amazon S3 speaks: method and path, headers and XML.
	restXML
)

// service describes one AWS service.
type service struct {
	// name is the prefix of the service's IAM actions, such as "ecr" or "tag".
	// Counts, faults and limits are by this name.
	name string
	// protocol is what the service speaks.
	protocol protocol
	// target is what X-Amz-Target has before the dot (json10 and json11).
	target string
	// namespace is the XML namespace of the answers (query).
	namespace string
	// operations holds the handler of each operation.
	operations map[string]operation
	// routes holds the http.ServeMux pattern of each operation, such as
	// "GET /2015-03-31/functions/{FunctionName}" (restJSON). Read the labels
	// with Call.Path and the query string with Call.Query.
	routes map[string]string
	// tokenIn and tokenOut name the page token in requests and in answers, for
	// the fault that repeats a page token. The default is "nextToken".
	tokenIn, tokenOut string
	// throttled is the answer to a call over its rate limit. The default is
	// ThrottlingException with HTTP 400.
	throttled *Error
	// permissions names the IAM action that a call needs, where it is not the
	// operation's own name.
	permissions map[string]string
	// resources names what a call is about, as AWS does in the message of
	// AccessDeniedException; a batch is about several things, all of which must be
	// allowed. It may be nil, or return nothing, which means "*", and is only called
	// for principals that are denied something.
	resources func(*Call) []string
}

// operation answers one call with a value to encode, or an error. An error
// that is not an *Error is answered as the service's internal failure.
type operation func(*Call) (any, error)

// handle makes an operation of a function that takes the decoded JSON body.
func handle[In any](answer func(*Call, *In) (any, error)) operation {
	return func(c *Call) (any, error) {
		in := new(In)
		if err := c.Decode(in); err != nil {
			return nil, err
		}
		return answer(c, in)
	}
}

// Operations returns every operation that the server answers, as IAM writes
// it ("ecr:DescribeImages"), sorted.
func (s *Server) Operations() []string {
	var all []string
	for _, svc := range s.services {
		for op := range maps.Keys(svc.operations) {
			all = append(all, svc.name+":"+op)
		}
	}
	slices.Sort(all)
	return all
}

// throttle returns the service's answer to a call over its rate limit.
func (svc *service) throttle() *Error {
	if svc.throttled != nil {
		return svc.throttled
	}
	if svc.protocol == query {
		return &Error{Code: "Throttling", Message: "Rate exceeded", Status: http.StatusBadRequest}
	}
	return &Error{Code: "ThrottlingException", Message: "Rate exceeded", Status: http.StatusBadRequest}
}

// accessDenied returns the service's answer to a call that is not allowed.
func (svc *service) accessDenied(message string) *Error {
	switch svc.protocol {
	case query, restXML:
		return &Error{Code: "AccessDenied", Message: message, Status: http.StatusForbidden}
	case restJSON:
		return &Error{Code: "AccessDeniedException", Message: message, Status: http.StatusForbidden}
	default:
		return &Error{Code: "AccessDeniedException", Message: message, Status: http.StatusBadRequest}
	}
}

// expired returns the service's answer to a call with expired credentials.
func (svc *service) expired() *Error {
	const message = "The security token included in the request is expired"
	switch svc.protocol {
	case query:
		return &Error{Code: "ExpiredToken", Message: message, Status: http.StatusForbidden}
	case restXML:
		return &Error{Code: "ExpiredToken", Message: "The provided token has expired."}
	case restJSON:
		return &Error{Code: "ExpiredTokenException", Message: message, Status: http.StatusForbidden}
	default:
		return &Error{Code: "ExpiredTokenException", Message: message, Status: http.StatusBadRequest}
	}
}
