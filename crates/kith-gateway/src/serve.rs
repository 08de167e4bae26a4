//! Accepts connections and ends them.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use kith_api::Service;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::{debug, warn};

use crate::answer::Answerer;
use crate::client::Client;
use crate::ends::Ends;
use crate::head::Guarded;
use crate::listen::{BindError, Listeners};
use crate::{Config, policy};

/// hyper's buffer of a connection; above [`crate::Limits::head`], so that hyper never refuses.
const BUFFER: usize = 64 * 1024;
/// Pause after accepting failed, for want of descriptors: trying at once would spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The gateway, serving. Dropping it ends it at once; [`Gateway::shutdown`] does so in order.
pub struct Gateway {
    port: u16,
    answerer: Arc<Answerer>,
    ends: Ends,
}

impl Gateway {
    /// Binds and serves.
    ///
    /// # Errors
    /// [`BindError`], as [`Listeners::bind`] does.
    pub async fn bind(config: Config, service: Arc<dyn Service>) -> Result<Self, BindError> {
        let listeners = Listeners::bind(config.addr).await?;
        Ok(Self::serve(listeners, config, service))
    }

    /// Serves on sockets bound before, for a service that must know the port first. Call it in a
    /// Tokio runtime.
    pub fn serve(listeners: Listeners, config: Config, service: Arc<dyn Service>) -> Self {
        let port = listeners.port();
        let ends = Ends::default();
        let limits = config.limits;
        let answerer = Arc::new(Answerer::new(port, config, service, ends.clone()));
        let acceptor = Acceptor {
            answerer: Arc::clone(&answerer),
            places: Arc::new(Semaphore::new(limits.connections)),
            busy: policy::busy(),
            limits,
            ends: ends.clone(),
        };
        for listener in [Some(listeners.v4), listeners.v6].into_iter().flatten() {
            ends.tasks.spawn(acceptor.clone().accept(listener));
        }
        Self { port, answerer, ends }
    }

    /// The dashboard's URL, without a token: `http://localhost:4848`.
    pub fn http_addr(&self) -> String {
        format!("http://localhost:{}", self.port)
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How many sockets are open.
    pub fn sockets(&self) -> usize {
        self.answerer.sockets()
    }

    /// Accepts nothing more, lets responses under way end, closes sockets with a word, and after
    /// `deadline` ends what is left.
    pub async fn shutdown(self, deadline: Duration) {
        self.ends.stop.cancel();
        self.ends.tasks.close();
        if tokio::time::timeout(deadline, self.ends.tasks.wait()).await.is_err() {
            self.ends.kill.cancel();
            self.ends.tasks.wait().await;
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.ends.stop.cancel();
        self.ends.kill.cancel();
    }
}

/// hyper's part, as we want it.
pub(crate) fn builder() -> http1::Builder {
    let mut builder = http1::Builder::new();
    // A client that has asked all it wants may say so, and still gets its answers.
    builder.max_buf_size(BUFFER).half_close(true);
    builder
}

#[derive(Clone)]
struct Acceptor {
    answerer: Arc<Answerer>,
    places: Arc<Semaphore>,
    busy: Bytes,
    limits: crate::Limits,
    ends: Ends,
}

impl Acceptor {
    async fn accept(self, listener: TcpListener) {
        loop {
            let accepted = tokio::select! {
                () = self.ends.stop.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, _)) => self.take(stream),
                Err(error) => {
                    warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn take(&self, stream: TcpStream) {
        // Messages are small, and someone waits for each.
        if let Err(error) = stream.set_nodelay(true) {
            debug!(%error, "the connection is gone already");
            return;
        }
        match Arc::clone(&self.places).try_acquire_owned() {
            Ok(place) => {
                let this = self.clone();
                let kill = self.ends.kill.clone();
                self.ends.tasks.spawn(async move {
                    kill.run_until_cancelled(this.connection(stream, place)).await;
                });
            }
            Err(_) => {
                debug!("over the limit of connections");
                // A new socket's buffer has room; if not, there is nobody to tell.
                let _ = stream.try_write(&self.busy);
            }
        }
    }

    async fn connection(self, stream: TcpStream, place: OwnedSemaphorePermit) {
        let place = Arc::new(place);
        let client = Client::new(stream);
        let reader = client.reader();
        let service = service_fn(|mut request: hyper::Request<hyper::body::Incoming>| {
            let answerer = Arc::clone(&self.answerer);
            request.extensions_mut().insert(Arc::clone(&place));
            request.extensions_mut().insert(reader.clone());
            async move { Ok::<_, Infallible>(answerer.answer(request).await) }
        });
        let io = TokioIo::new(Guarded::new(client, self.limits));
        let mut connection =
            std::pin::pin!(builder().serve_connection(io, service).with_upgrades());
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = self.ends.stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            debug!(%error, "a connection ended early");
        }
    }
}
