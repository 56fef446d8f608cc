//! The bounded mailbox that events go to.

use std::{fmt, future::Future, pin::Pin, sync::Arc};

use tokio::sync::mpsc;

use super::TransportEvent;

/// Where events go: a bounded tokio channel of the receiver's own input type.
#[derive(Clone)]
pub struct Sink(Arc<dyn Mailbox>);

impl Sink {
    /// A sink that feeds a channel whose items can be made from events.
    pub fn new<Item>(sender: mpsc::Sender<Item>) -> Self
    where
        Item: From<TransportEvent> + Send + 'static,
    {
        Sink(Arc::new(sender))
    }

    /// Whether an event would find room now.
    pub(super) fn has_room(&self) -> bool {
        self.0.has_room()
    }

    /// Hands an event over without waiting; false when there is no room.
    pub(super) fn try_put(&self, event: TransportEvent) -> bool {
        self.0.try_put(event)
    }

    /// Hands an event over when there is room; false when nobody receives any more.
    pub(super) async fn put(&self, event: TransportEvent) -> bool {
        self.0.put(event).await
    }
}

impl<Item: From<TransportEvent> + Send + 'static> From<mpsc::Sender<Item>> for Sink {
    fn from(sender: mpsc::Sender<Item>) -> Self {
        Sink::new(sender)
    }
}

impl fmt::Debug for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sink").field("has_room", &self.has_room()).finish()
    }
}

trait Mailbox: Send + Sync {
    fn has_room(&self) -> bool;
    fn try_put(&self, event: TransportEvent) -> bool;
    fn put(&self, event: TransportEvent) -> Pin<Box<dyn Future<Output = bool> + Send + '_>>;
}

impl<Item: From<TransportEvent> + Send + 'static> Mailbox for mpsc::Sender<Item> {
    fn has_room(&self) -> bool {
        self.capacity() > 0
    }

    fn try_put(&self, event: TransportEvent) -> bool {
        self.try_send(event.into()).is_ok()
    }

    fn put(&self, event: TransportEvent) -> Pin<Box<dyn Future<Output = bool> + Send + '_>> {
        Box::pin(async move { self.send(event.into()).await.is_ok() })
    }
}
