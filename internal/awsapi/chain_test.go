package awsapi_test

import (
	"encoding/pem"
	"errors"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/regsweep/regsweep/internal/awsapi"
	"github.com/regsweep/regsweep/internal/embedded"
)

// chain makes the SDK's default chain see these variables and files only, and
// returns a session that uses it.
func chain(t *testing.T, env map[string]string, config string) *awsapi.Session {
	t.Helper()
	for _, entry := range os.Environ() {
		if name, _, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "AWS_") {
			t.Setenv(name, "") // so that it is set again after the test
			if err := os.Unsetenv(name); err != nil {
				t.Fatal(err)
			}
		}
	}
	home := t.TempDir()
	path := filepath.Join(home, "config")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("HOME", home)
	t.Setenv("AWS_CONFIG_FILE", path)
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(home, "credentials"))
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	for name, value := range env {
		t.Setenv(name, value)
	}
	return awsapi.NewSession(awsapi.Options{Now: time.Now, Version: "test"})
}

// account serves an embedded account.
func account(t *testing.T) (*embedded.Server, string) {
	t.Helper()
	server := embedded.New(embedded.Options{Clock: time.Now})
	server.Account(there).Trust(here)
	web := httptest.NewServer(server)
	t.Cleanup(web.Close)
	return server, web.URL
}

func TestChainFromEnvironment(t *testing.T) {
	server, url := account(t)
	session := chain(t, map[string]string{
		"AWS_ACCESS_KEY_ID": server.Account(here).AccessKeyID(), "AWS_SECRET_ACCESS_KEY": "secret",
		"AWS_REGION": region, "AWS_ENDPOINT_URL": url,
	}, "")
	for _, target := range []awsapi.Target{{}, {Region: "us-east-1"}, {AssumeRole: role}} {
		if err := describe(t.Context(), session, target); err != nil {
			t.Errorf("%+v: %v", target, err)
		}
	}
	id, _, where, err := session.Identity(t.Context(), awsapi.Target{})
	if err != nil || id != here || where != region {
		t.Errorf("got %q in %q, %v", id, where, err)
	}
}

// TestChainFromProfile assumes the role of a profile. The SDK does so before it
// has read AWS_ENDPOINT_URL, and looks at the variable for STS alone.
func TestChainFromProfile(t *testing.T) {
	server, url := account(t)
	session := chain(t, map[string]string{"AWS_PROFILE": "work", "AWS_ENDPOINT_URL_STS": url}, `
[profile keys]
aws_access_key_id = `+server.Account(here).AccessKeyID()+`
aws_secret_access_key = secret
region = `+region+`
[profile work]
role_arn = `+role+`
source_profile = keys
region = us-east-1
`)
	id, _, where, err := session.Identity(t.Context(), awsapi.Target{})
	if err != nil || id != there || where != "us-east-1" {
		t.Errorf("got %q in %q, %v", id, where, err)
	}
	server.Deny("arn:aws:iam::"+here+":user/admin", "sts:AssumeRole", "*")
	session = awsapi.NewSession(awsapi.Options{Now: time.Now})
	_, _, _, err = session.Identity(t.Context(), awsapi.Target{})
	var denied *awsapi.DeniedError
	if !errors.As(err, &denied) || denied.Action != "sts:AssumeRole" || denied.Resource != role {
		t.Errorf("a role of the profile that may not be assumed: got %v", err)
	}
}

func TestChainWithoutRegion(t *testing.T) {
	server, url := account(t)
	session := chain(t, map[string]string{
		"AWS_ACCESS_KEY_ID": server.Account(here).AccessKeyID(), "AWS_SECRET_ACCESS_KEY": "secret", "AWS_ENDPOINT_URL": url,
	}, "")
	for range 2 {
		if _, err := session.Config(t.Context(), awsapi.Target{}); err == nil || !strings.Contains(err.Error(), "AWS_REGION") {
			t.Errorf("got %v, want a hint at AWS_REGION", err)
		}
		for _, name := range []string{"us-east-1", region} {
			_, _, where, err := session.Identity(t.Context(), awsapi.Target{Region: name})
			if err != nil || where != name {
				t.Errorf("in %s: got %q, %v", name, where, err)
			}
		}
	}
}

func TestChainWithOptionsRegion(t *testing.T) {
	chain(t, map[string]string{"AWS_REGION": "us-east-1"}, "")
	session := awsapi.NewSession(awsapi.Options{Now: time.Now, Region: region})
	cfg, err := session.Config(t.Context(), awsapi.Target{})
	if err != nil || cfg.Region != region {
		t.Errorf("got %q, %v; the option goes before the environment", cfg.Region, err)
	}
}

func TestChainWithoutCredentials(t *testing.T) {
	session := chain(t, map[string]string{"AWS_REGION": region}, "")
	err := describe(t.Context(), session, awsapi.Target{})
	var credentials *awsapi.CredentialsError
	if !errors.As(err, &credentials) || credentials.Expired {
		t.Errorf("got %v, want a CredentialsError", err)
	}
	if total := session.Stats().Total(); total.Calls != 0 || total.Retries != 0 {
		t.Errorf("stats %+v: a call is sent or repeated without credentials", total)
	}
}

// TestChainWithExpiredLogin has a profile of IAM Identity Center that nobody has
// logged in to.
func TestChainWithExpiredLogin(t *testing.T) {
	session := chain(t, map[string]string{"AWS_PROFILE": "sso"}, `
[profile sso]
sso_start_url = https://login.example.com/start
sso_region = eu-west-1
sso_account_id = 111122223333
sso_role_name = reader
region = eu-west-1
`)
	err := describe(t.Context(), session, awsapi.Target{})
	var credentials *awsapi.CredentialsError
	if !errors.As(err, &credentials) || !credentials.Expired {
		t.Errorf("got %v, want an expired CredentialsError", err)
	}
}

func TestChainThatCannotBeLoaded(t *testing.T) {
	session := chain(t, map[string]string{"AWS_PROFILE": "nobody", "AWS_REGION": region}, "")
	if _, err := session.Config(t.Context(), awsapi.Target{}); err == nil || !strings.Contains(err.Error(), "nobody") {
		t.Errorf("got %v, want an error that names the profile", err)
	}
}

// TestChainWithCABundle talks TLS to a server that only AWS_CA_BUNDLE vouches
// for, which the SDK refuses together with a client of one's own.
func TestChainWithCABundle(t *testing.T) {
	server := embedded.New(embedded.Options{Clock: time.Now})
	web := httptest.NewTLSServer(server)
	t.Cleanup(web.Close)
	bundle := filepath.Join(t.TempDir(), "ca.pem")
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: web.Certificate().Raw})
	if err := os.WriteFile(bundle, certificate, 0o600); err != nil {
		t.Fatal(err)
	}
	session := chain(t, map[string]string{
		"AWS_ACCESS_KEY_ID": server.Account(here).AccessKeyID(), "AWS_SECRET_ACCESS_KEY": "secret",
		"AWS_REGION": region, "AWS_ENDPOINT_URL": web.URL, "AWS_CA_BUNDLE": bundle,
	}, "")
	if err := describe(t.Context(), session, awsapi.Target{}); err != nil {
		t.Error(err)
	}
}

func TestBadRole(t *testing.T) {
	session := chain(t, map[string]string{"AWS_REGION": region}, "")
	if _, err := session.Config(t.Context(), awsapi.Target{AssumeRole: "regsweep"}); err == nil || !strings.Contains(err.Error(), `"regsweep"`) {
		t.Errorf("got %v, want an error that names the role", err)
	}
}
