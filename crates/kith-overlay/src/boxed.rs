//! Futures of traits with many implementations: `Send`, except in a browser, where nothing is.

use std::pin::Pin;

/// A boxed future.
#[cfg(not(target_arch = "wasm32"))]
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
/// A boxed future.
#[cfg(target_arch = "wasm32")]
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// What tasks may share: `Send + Sync`, except in a browser, where there is one thread.
#[cfg(not(target_arch = "wasm32"))]
pub trait Threaded: Send + Sync + 'static {}
#[cfg(not(target_arch = "wasm32"))]
impl<T: Send + Sync + 'static + ?Sized> Threaded for T {}

/// What tasks may share: `Send + Sync`, except in a browser, where there is one thread.
#[cfg(target_arch = "wasm32")]
pub trait Threaded: 'static {}
#[cfg(target_arch = "wasm32")]
impl<T: 'static + ?Sized> Threaded for T {}
