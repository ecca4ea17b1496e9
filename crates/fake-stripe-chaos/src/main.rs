//! The provider's process, and the tools that come with it.

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use fake_stripe_chaos::{
    app::{self, Ports},
    config::Config,
    replay,
};
use service_kit::{
    process::{self, Configuration, Question},
    serve,
};

/// Requests are made of many short-lived boxes, which glibc's allocator spends a third of their time on.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A payment, inventory, shipping and notification provider that misbehaves on purpose and keeps the truth.
///
/// Without a command it serves.
#[derive(Debug, Parser)]
#[command(name = app::NAME, version)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Explore(Box<explore::Arguments>),
    Replay(replay::Arguments),
    /// Exits with 0 when the provider that this environment configures is ready, else with 1
    Healthcheck {
        /// Asks whether the process answers, instead of whether it is ready
        #[arg(long)]
        live: bool,
    },
}

fn main() -> ExitCode {
    let help = process::variables_help(&Config::variables());
    let matches =
        Cli::command().after_help(format!("Its environment configures it:\n\n{help}")).get_matches();
    let command = Cli::from_arg_matches(&matches).map(|cli| cli.command);
    match command {
        Ok(None) => serve(),
        Ok(Some(Command::Explore(arguments))) => process::tool(app::NAME, explore::run(*arguments)),
        Ok(Some(Command::Replay(arguments))) => match replay::replay(&arguments) {
            Ok(replayed) => {
                print!("{replayed}");
                if replayed.differs() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
            }
            Err(error) => {
                eprintln!("{}: not a decision: {error}", app::NAME);
                ExitCode::from(process::MISCONFIGURED)
            }
        },
        Ok(Some(Command::Healthcheck { live })) => {
            let question = if live { Question::Live } else { Question::Ready };
            process::check_health::<Config>(app::NAME, question)
        }
        Err(error) => error.exit(),
    }
}

fn serve() -> ExitCode {
    process::main(app::NAME, app::VERSION, async |config: Config| {
        let listener = serve::bind(config.listen).await?;
        let stop = serve::stop_signal()?;
        let ports = Ports::from_config(&config).await?.with_stored_seed(config.seed).await?;
        let (router, _) = app::build(&config, ports);
        tracing::info!(address = %listener.local_addr()?, "listening");
        serve::run(listener, router, stop, &config.common).await?;
        Ok(())
    })
}
