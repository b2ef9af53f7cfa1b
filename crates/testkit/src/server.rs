//! An HTTP server on loopback that ends with the value that stands for it.

use std::net::SocketAddr;

use axum::Router;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A running server. Dropping it ends the server, open connections included.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Server {
    /// Serves `router` on a free port of 127.0.0.1.
    ///
    /// # Panics
    ///
    /// If no port can be bound.
    pub async fn start(router: Router) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        Self::start_on(listener, router)
    }

    /// Serves `router` on `listener`: for those whose router must know its own address.
    ///
    /// # Panics
    ///
    /// If the listener has no address, or outside a Tokio runtime.
    #[must_use]
    pub fn start_on(listener: TcpListener, router: Router) -> Self {
        let address = listener.local_addr().expect("a bound listener");
        let task = tokio::spawn(async move {
            axum::serve(listener, router).await.expect("a server that runs");
        });
        Self { address, task }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:PORT`, without a slash at the end.
    #[must_use]
    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}
