package cli

import (
	"cmp"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/regsweep/regsweep/internal/config"
	"github.com/regsweep/regsweep/internal/notify"
	"github.com/regsweep/regsweep/internal/objects"
	"github.com/regsweep/regsweep/internal/permissions"
	"github.com/regsweep/regsweep/internal/policy"
)

func newPermissions(w *World, f *flags) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "permissions",
		Short: "Print the least IAM policy (iam) and Kubernetes RBAC (rbac) for the configuration",
		Long: `Print what this configuration must be allowed, and no more. No call is made and
no credentials are needed.`,
	}
	cmd.AddCommand(newPermissionsIAM(w, f), newPermissionsRBAC(w, f))
	return cmd
}

func newPermissionsIAM(w *World, f *flags) *cobra.Command {
	var purpose, role string
	var l lambdaFlags
	cmd := &cobra.Command{
		Use:   "iam",
		Short: "Print the least IAM policy as JSON",
		Long: `Print the least IAM policy that plan, explain and usage need with this
configuration, with --for apply also apply, or with --for tag, restore, lifecycle
(all but put) or lifecycle-put what these need. With --for lambda it is that of a
Lambda function, which plans or applies as the mode says (see --runs and --stored).

It is the policy of the caller; with --role it is that of a role that the
configuration assumes. A journal in s3:// (--journal) needs rights of its own.

Where the configuration names no region, that of AWS_REGION or AWS_DEFAULT_REGION
is meant, and else all are. Where it names no account, all are.`,
	}
	cmd.Flags().StringVar(&purpose, "for", "plan", "what must be possible: `plan|apply|tag|restore|lifecycle|lifecycle-put|lambda`")
	f.addJournal(cmd)
	l.add(cmd)
	cmd.Flags().StringVar(&role, "role", "", "print the policy of the role with this `ARN`, not the caller's")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if !slices.Contains([]string{"plan", "apply", "tag", "restore", "lifecycle", "lifecycle-put", purposeLambda}, purpose) {
			return usageError("--for %s: write plan, apply, tag, restore, lifecycle, lifecycle-put or lambda", purpose)
		}
		if err := l.check(cmd, purpose); err != nil {
			return err
		}
		cfg, err := f.load(w)
		if err != nil {
			return err
		}
		registries, err := f.registriesOf(cfg)
		if err != nil {
			return err
		}
		lambda := purpose == purposeLambda
		purpose := l.does(purpose, cfg)
		run := w.runOf(cfg, purpose)
		needs := iamNeeds(cfg, registries, run)
		if lambda {
			needs = append(needs, l.needs(run)...)
		}
		if purpose == "apply" || lambda { // and what tells of it
			for _, n := range cfg.Notify {
				if n.SNS.TopicARN != "" {
					needs = append(needs, notify.TopicIAM(n.SNS.TopicARN))
				}
			}
		}
		if purpose != "tag" && !run.Lifecycle {
			place, err := f.openJournal(w, objects.Env{})
			if err != nil {
				return err
			}
			if place != nil {
				needs = append(needs, place.IAM(run, purpose == "apply")...)
			}
		}
		roles := permissions.Roles(needs)
		if role != "" && !slices.Contains(roles, role) {
			return usageError("--role %s: the configuration assumes %s", role, cmp.Or(strings.Join(roles, ", "), "no role"))
		}
		text, err := json.MarshalIndent(permissions.For(needs, role), "", "  ")
		if err != nil {
			return fmt.Errorf("write the policy: %w", err)
		}
		if role == "" {
			for _, other := range roles {
				fmt.Fprintf(w.Stderr, "regsweep: %s has a policy of its own: add --role %[1]s\n", other)
			}
		}
		_, err = fmt.Fprintf(w.Stdout, "%s\n", text)
		return err
	}
	return cmd
}

// registriesOf returns the registries that the run is about.
func (f *flags) registriesOf(cfg *config.Config) ([]config.Registry, error) {
	if f.registry == "" {
		return cfg.Registries, nil
	}
	for _, r := range cfg.Registries {
		if r.Name == f.registry {
			return []config.Registry{r}, nil
		}
	}
	return nil, usageError("--registry %s: the configuration has no registry of this name", f.registry)
}

// runOf says what planning, applying or tagging with the configuration does.
func (w *World) runOf(cfg *config.Config, purpose string) permissions.Run {
	apply, tag, restore := purpose == "apply", purpose == "tag", purpose == "restore"
	acts := func(action policy.Action) bool {
		return apply && slices.ContainsFunc(cfg.Policy.Rules, func(r policy.Rule) bool { return r.Action == action })
	}
	run := permissions.Run{
		// In the SDK's order.
		Region:         cmp.Or(w.getenv("AWS_REGION"), w.getenv("AWS_DEFAULT_REGION")),
		RepositoryTags: cfg.Compiled.NeedsRepositoryTags() && !tag && !restore,
		Delete:         acts(policy.Delete), Archive: acts(policy.Archive),
		Tag: apply && cfg.Grace > 0 || tag && cfg.Tag.Name == "", MoveTag: tag && cfg.Tag.Name != "",
		Restore:   restore,
		Lifecycle: purpose == "lifecycle" || purpose == "lifecycle-put", PutLifecycle: purpose == "lifecycle-put",
	}
	// Sources without regions read those of the registries and the caller's; a
	// region that is not known can be any.
	regions := []string{run.Region}
	for _, reg := range cfg.Registries {
		if registry, ok := reg.Config.(permissions.AWS); ok {
			for _, need := range registry.IAM(run) {
				if need.Resource.Region != "" {
					regions = append(regions, need.Resource.Region)
				}
			}
		}
	}
	if !slices.Contains(regions, "") && !slices.Contains(regions, "*") {
		slices.Sort(regions)
		run.Regions = slices.Compact(regions)
	}
	return run
}

// iamNeeds asks everything that calls AWS for what it needs.
func iamNeeds(cfg *config.Config, registries []config.Registry, run permissions.Run) (needs []permissions.Need) {
	for _, r := range registries {
		if caller, ok := r.Config.(permissions.AWS); ok {
			needs = append(needs, caller.IAM(run)...)
		}
	}
	if run.Restore { // it asks nobody what is in use
		return needs
	}
	for _, s := range cfg.Usage.Sources {
		if caller, ok := s.Config.(permissions.AWS); ok {
			needs = append(needs, caller.IAM(run)...)
		}
	}
	return needs
}

func newPermissionsRBAC(w *World, f *flags) *cobra.Command {
	var name, account, context, lease string
	var watch, controller bool
	cmd := &cobra.Command{
		Use:   "rbac",
		Short: "Print the least Kubernetes RBAC as YAML",
		Long: `Print the roles that reading the configured clusters needs: a ClusterRole, or a
Role in each namespace where namespaces are named. With several contexts a comment
begins the roles of each; --context prints those of one, for kubectl apply -f -.
With --watch the roles are for tag --watch, with --lease for apply --lease, and with
both --lease and --controller for controller.`,
	}
	cmd.Flags().StringVar(&name, "name", "regsweep", "`name` of the roles and bindings")
	cmd.Flags().StringVar(&account, "service-account", "", "bind the roles to the ServiceAccount `namespace/name`")
	cmd.Flags().BoolVar(&watch, "watch", false, "also what watching the clusters needs")
	cmd.Flags().StringVar(&context, "context", "", "only what the cluster of this `context` needs")
	cmd.Flags().StringVar(&lease, "lease", "", "also what holding the Lease `namespace/name` needs, in the cluster that regsweep runs in")
	cmd.Flags().BoolVar(&controller, "controller", false, "also what controller needs: watching, and Events in the namespace of the --lease")
	cmd.RunE = func(*cobra.Command, []string) error {
		binding, err := bindingOf(name, account)
		if err != nil {
			return err
		}
		held := accountName.FindStringSubmatch(lease)
		switch {
		case lease != "" && held == nil:
			return usageError("--lease %s: write namespace/name", lease)
		case controller && held == nil:
			return usageError("--controller needs --lease namespace/name: the controller's own namespace, and regsweep or its --lease-name")
		}
		cfg, err := f.load(w)
		if err != nil {
			return err
		}
		var accesses []permissions.Access
		for _, s := range cfg.Usage.Sources {
			if reader, ok := s.Config.(permissions.Kubernetes); ok {
				accesses = append(accesses, reader.RBAC(watch || controller)...)
			}
		}
		if held != nil {
			accesses = append(accesses, permissions.LeaseAccess(held[1], held[3]))
		}
		if controller {
			accesses = append(accesses, permissions.EventAccess(held[1]))
		}
		if context != "" {
			accesses = slices.DeleteFunc(accesses, func(a permissions.Access) bool { return a.Context != context })
			if len(accesses) == 0 {
				return usageError("--context %s: no source of the configuration reads it", context)
			}
		}
		if len(accesses) == 0 {
			fmt.Fprintln(w.Stderr, "regsweep: no source of the configuration reads a cluster, so nothing is needed.")
		}
		if err := permissions.WriteRoles(w.Stdout, accesses, binding); err != nil {
			return fmt.Errorf("write the roles: %w", err)
		}
		return nil
	}
	return cmd
}

var (
	// rbacName is a name that kubectl takes for roles without quoting; they may
	// have any that fits into a path.
	rbacName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9:._-]*[A-Za-z0-9])?$`)
	// accountName is namespace/name: an RFC 1123 label and a DNS subdomain.
	accountName = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]*[a-z0-9])?)/([a-z0-9]([a-z0-9.-]*[a-z0-9])?)$`)
)

// bindingOf checks the names of roles and their account.
func bindingOf(name, account string) (permissions.Binding, error) {
	b := permissions.Binding{Name: name}
	if !rbacName.MatchString(name) {
		return b, usageError("--name %s: this is not the name of a role", name)
	}
	if account != "" {
		m := accountName.FindStringSubmatch(account)
		if m == nil {
			return b, usageError("--service-account %s: write namespace/name", account)
		}
		b.Namespace, b.ServiceAccount = m[1], m[3]
	}
	return b, nil
}
