//! The provider's process.

use std::process::ExitCode;

use fake_stripe_chaos::{
    app::{self, Ports},
    config::Config,
};
use service_kit::{process, serve};

fn main() -> ExitCode {
    process::main(app::NAME, app::VERSION, async |config: Config| {
        let listener = serve::bind(config.listen).await?;
        let stop = serve::stop_signal()?;
        let (router, _) = app::build(&config, Ports::real(&config));
        tracing::info!(address = %listener.local_addr()?, "listening");
        serve::run(listener, router, stop, config.common.shutdown_grace).await?;
        Ok(())
    })
}
