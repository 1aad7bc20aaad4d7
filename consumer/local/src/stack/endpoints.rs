//! The HTTP servers of a stack.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::Router;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::StartError;
use crate::access::{HostCheck, protect};
use crate::server;

pub(super) const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// The HTTP servers of a stack, and the tokens that stop them.
pub(super) struct Endpoints {
    pub(super) tasks: JoinSet<()>,
    pub(super) stop: CancellationToken,
    pub(super) check: HostCheck,
}

impl Endpoints {
    pub(super) fn serve(&mut self, name: &'static str, listener: TcpListener, router: Router) {
        self.spawn(name, listener, protect(router, self.check));
    }

    /// Serves the page. It listens on loopback only, so its `Host` header is always checked.
    pub(super) fn serve_page(&mut self, listener: TcpListener, router: Router) {
        self.spawn(
            "the web page",
            listener,
            protect(router, HostCheck::Loopback),
        );
    }

    fn spawn(&mut self, name: &'static str, listener: TcpListener, router: Router) {
        let stop = self.stop.clone().cancelled_owned();
        self.tasks.spawn(async move {
            if let Err(error) = server::serve(listener, router, stop).await {
                tracing::error!(%error, endpoint = name, "an endpoint ended");
            }
        });
    }

    pub(super) fn serve_dynoxide(&mut self, listener: TcpListener, database: dynoxide::Database) {
        let stop = self.stop.clone().cancelled_owned();
        self.tasks.spawn(async move {
            if let Err(error) =
                dynoxide::server::serve_with_shutdown(listener, database, stop).await
            {
                tracing::error!(%error, endpoint = "dynoxide", "an endpoint ended");
            }
        });
    }
}

pub(super) async fn listen(
    endpoint: &'static str,
    host: IpAddr,
    port: u16,
) -> Result<TcpListener, StartError> {
    TcpListener::bind((host, port))
        .await
        .map_err(|source| port_error(endpoint, host, port, source))
}

pub(super) fn port_error(
    endpoint: &'static str,
    host: IpAddr,
    port: u16,
    source: std::io::Error,
) -> StartError {
    StartError::Port {
        endpoint,
        address: SocketAddr::new(host, port),
        source,
    }
}

pub(super) fn address(listener: &TcpListener) -> Result<SocketAddr, StartError> {
    listener.local_addr().map_err(|source| StartError::Create {
        object: "a listener",
        source: source.into(),
    })
}
