// Command cluster is one of the programs of a Kubernetes cluster, named by its first argument. The other arguments are
// those of that program. `kwok` plays nodes: it reports pods as running and runs none of them.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/pflag"
	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	kubectl "k8s.io/kubectl/pkg/cmd"
	"k8s.io/kubectl/pkg/cmd/util"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllers "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	"sigs.k8s.io/kwok/pkg/config"
	nodes "sigs.k8s.io/kwok/pkg/kwok/cmd"
	"sigs.k8s.io/kwok/pkg/log"
)

const names = "etcd, kube-apiserver, kube-controller-manager, kube-scheduler, kwok or kubectl"

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintf(os.Stderr, "cluster: %s, and its arguments\n", names)
		os.Exit(2)
	}
	name := os.Args[1]
	os.Args = os.Args[1:]
	switch name {
	case "etcd":
		etcdmain.Main(os.Args)
	case "kube-apiserver":
		os.Exit(cli.Run(apiserver.NewAPIServerCommand()))
	case "kube-controller-manager":
		os.Exit(cli.Run(controllers.NewControllerManagerCommand()))
	case "kube-scheduler":
		os.Exit(cli.Run(scheduler.NewSchedulerCommand()))
	case "kwok":
		if err := playNodes(); err != nil {
			fmt.Fprintf(os.Stderr, "cluster: kwok: %v\n", err)
			os.Exit(1)
		}
	case "kubectl":
		util.CheckErr(cli.RunNoErrOutput(kubectl.NewDefaultKubectlCommand()))
	default:
		fmt.Fprintf(os.Stderr, "cluster: there is no program %s; there are %s\n", name, names)
		os.Exit(2)
	}
}

// playNodes runs kwok until SIGINT or SIGTERM.
func playNodes() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// Kubernetes has put flags of its own into this set, which every command takes. One of them is --version.
	pflag.CommandLine = pflag.NewFlagSet("kwok", pflag.ContinueOnError)
	// Kwok reads its settings before its command exists. Then these flags must ignore those of the command.
	flags := pflag.NewFlagSet("kwok", pflag.ContinueOnError)
	flags.ParseErrorsAllowlist.UnknownFlags = true
	flags.Usage = func() {}
	ctx, _ = log.InitFlags(ctx, flags)
	ctx, err := config.InitFlags(ctx, flags)
	if err != nil {
		return err
	}
	command := nodes.NewCommand(ctx)
	command.PersistentFlags().AddFlagSet(flags)
	return command.ExecuteContext(ctx)
}
