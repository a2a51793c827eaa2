//! A daemon over a world's account, and what people attach to it: consoles and commands.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use tandem::client::Client;
use tandem::daemon::service::AccountService;
use tandem::daemon::{self, DaemonHandle, Limits, Options, Roster, Service};
use tandem::seam::SystemClock;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::world::World;

/// A daemon that answers and announces, on a socket in its world's directory.
pub struct Daemon {
    handle: DaemonHandle,
    announcing: JoinHandle<()>,
}

impl Daemon {
    pub fn over(world: &World) -> Self {
        let service = Arc::new(AccountService::new(world.account.clone(), "acceptance", "test"));
        let options = Options {
            socket: world.file("tandem.sock"),
            group: None,
            roster: Roster::of(BTreeMap::new(), None),
            limits: Limits::default(),
            clock: Arc::new(SystemClock),
            shutdown: CancellationToken::new(),
        };
        let handle = daemon::start(Arc::clone(&service) as Arc<dyn Service>, options).unwrap();
        let announcing = tokio::spawn(async move { service.announce().await });
        Self { handle, announcing }
    }

    /// Another console.
    pub async fn console(&self) -> Client {
        Client::connect(self.handle.socket()).await.unwrap()
    }

    /// Runs a command as its user does, with nothing of our own environment.
    pub fn run(&self, args: &[&str]) -> Output {
        let socket = self.handle.socket();
        let home = socket.parent().unwrap_or(Path::new("/"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_tandem"));
        command.env_clear().env("HOME", home).arg("--socket").arg(socket).args(args);
        tokio::task::block_in_place(|| command.output().unwrap())
    }

    pub async fn end(self) {
        self.handle.shutdown().await;
        self.announcing.abort();
    }
}
