package lambdatest

import (
	"net/http"
	"net/http/httptest"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/regsweep/regsweep/internal/cli"
	"github.com/regsweep/regsweep/internal/embedded"
)

// asCommand is set in the environment of processes that are regsweep itself.
const asCommand = "REGSWEEP_LAMBDATEST"

// Main is for TestMain of packages that call Regsweep: the test binary is then
// the command, too.
func Main(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		os.Exit(cli.Main(cli.OS()))
	}
	goleak.VerifyTestMain(m)
}

// AccessKeyID is the key that the function signs with: that of the administrator
// of the default account.
const AccessKeyID = "AKIA" + embedded.DefaultAccount + "0000"

// Regsweep returns the function that is regsweep, as Lambda starts it: without
// arguments, in an environment that names no home. It works in the account, in the
// region eu-west-1; files of the function are in dir.
func Regsweep(t testing.TB, account http.Handler, dir string, env ...string) *Function {
	t.Helper()
	server := httptest.NewServer(account)
	t.Cleanup(server.Close)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return New(t, Options{Path: self, Dir: dir, Env: append([]string{
		asCommand + "=1", "LAMBDA_TASK_ROOT=" + dir, "TMPDIR=" + t.TempDir(), "AWS_ENDPOINT_URL=" + server.URL, "AWS_REGION=eu-west-1",
		"AWS_ACCESS_KEY_ID=" + AccessKeyID, "AWS_SECRET_ACCESS_KEY=test", "AWS_EC2_METADATA_DISABLED=true",
		"AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null", "GOCOVERDIR=" + dir,
	}, env...)})
}
