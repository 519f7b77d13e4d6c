package embedded

import (
	"net/http"
	"regexp"
)

// lambdaService is Lambda, version 2015-03-31.
func lambdaService() *service {
	const functions = "/2015-03-31/functions"
	const function = functions + "/{FunctionName}"
	return &service{
		name:     "lambda",
		protocol: restJSON,
		operations: map[string]operation{
			"CreateFunction":         handle(createFunction),
			"GetFunction":            getFunction,
			"UpdateFunctionCode":     handle(updateFunctionCode),
			"DeleteFunction":         deleteFunction,
			"ListFunctions":          listFunctions,
			"PublishVersion":         publishVersion,
			"ListVersionsByFunction": listVersionsByFunction,
			"CreateAlias":            handle(createAlias),
			"UpdateAlias":            handle(updateAlias),
			"ListAliases":            listAliases,
		},
		routes: map[string]string{
			"CreateFunction":         "POST " + functions,
			"GetFunction":            "GET " + function,
			"UpdateFunctionCode":     "PUT " + function + "/code",
			"DeleteFunction":         "DELETE " + function,
			"ListFunctions":          "GET " + functions,
			"PublishVersion":         "POST " + function + "/versions",
			"ListVersionsByFunction": "GET " + function + "/versions",
			"CreateAlias":            "POST " + function + "/aliases",
			"UpdateAlias":            "PUT " + function + "/aliases/{Name}",
			"ListAliases":            "GET " + function + "/aliases",
		},
		tokenIn:   "Marker",
		tokenOut:  "NextMarker",
		throttled: &Error{Code: "TooManyRequestsException", Message: "Rate exceeded", Status: http.StatusTooManyRequests},
		resources: lambdaResources,
	}
}

// functionFormat is the form of a function name of the API: a name, a partial ARN
// or an ARN, each with or without a qualifier.
var functionFormat = regexp.MustCompile(`^(?:arn:aws:lambda:([a-z0-9-]+):)?(?:([0-9]{12}):)?(?:function:)?([a-zA-Z0-9_-]{1,64})(?::(\$LATEST|[a-zA-Z0-9_-]+))?$`)

// functionReference is what a function name of the API says; all but the name may
// be "".
type functionReference struct{ region, account, name, qualifier string }

// parseFunction splits a function name of the API.
func parseFunction(text string) (functionReference, bool) {
	parts := functionFormat.FindStringSubmatch(text)
	if parts == nil {
		return functionReference{}, false
	}
	return functionReference{parts[1], parts[2], parts[3], parts[4]}, true
}

// lambdaARN returns the ARN of a function.
func (r *Region) lambdaARN(function string) string {
	return "arn:aws:lambda:" + r.Name + ":" + r.Account.ID + ":function:" + function
}

// lambdaResources names what a call is about for the message of a denial.
func lambdaResources(c *Call) []string {
	if f, ok := parseFunction(c.Path("FunctionName")); ok {
		return []string{c.Region.lambdaARN(f.name)}
	}
	return nil
}

// functionNotFound is the answer for a function, version or alias that does
// not exist.
func functionNotFound(arn string) *Error {
	return &Error{Code: "ResourceNotFoundException", Message: "Function not found: " + arn, Status: http.StatusNotFound}
}

// invalidValue makes an InvalidParameterValueException.
func invalidValue(format string, args ...any) *Error {
	return errorf("InvalidParameterValueException", format, args...)
}

// conflict makes a ResourceConflictException.
func conflict(message string) *Error {
	return &Error{Code: "ResourceConflictException", Message: message, Status: http.StatusConflict}
}
