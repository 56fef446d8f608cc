//! The bounded mailbox that events go to.

use std::{fmt, future::Future, pin::Pin, sync::Arc};

use tokio::sync::mpsc;

use super::TransportEvent;
use crate::guard::Lane;

/// Where events go: bounded tokio channels of the receiver's own input types, one for each lane.
#[derive(Clone)]
pub struct Sink {
    urgent: Arc<dyn Mailbox>,
    ordinary: Arc<dyn Mailbox>,
}

impl Sink {
    /// A sink that feeds a channel whose items can be made from events, for both lanes.
    pub fn new<Item>(sender: mpsc::Sender<Item>) -> Self
    where
        Item: From<TransportEvent> + Send + 'static,
    {
        let channel = Arc::new(sender);
        Sink { urgent: channel.clone(), ordinary: channel }
    }

    /// A sink with a channel of its own for each lane.
    pub fn with_lanes<Urgent, Ordinary>(
        urgent: mpsc::Sender<Urgent>,
        ordinary: mpsc::Sender<Ordinary>,
    ) -> Self
    where
        Urgent: From<TransportEvent> + Send + 'static,
        Ordinary: From<TransportEvent> + Send + 'static,
    {
        Sink { urgent: Arc::new(urgent), ordinary: Arc::new(ordinary) }
    }

    /// Hands an event over on every lane there is.
    pub(super) async fn put_on_all(&self, event: TransportEvent) {
        if !Arc::ptr_eq(&self.urgent, &self.ordinary) {
            self.urgent.put(event.clone()).await;
        }
        self.ordinary.put(event).await;
    }

    fn lane(&self, lane: Lane) -> &dyn Mailbox {
        match lane {
            Lane::Urgent => &*self.urgent,
            Lane::Ordinary => &*self.ordinary,
        }
    }

    /// Whether an event would find room now.
    pub(super) fn has_room(&self, lane: Lane) -> bool {
        self.lane(lane).has_room()
    }

    /// Hands an event over without waiting; false when there is no room.
    pub(super) fn try_put(&self, lane: Lane, event: TransportEvent) -> bool {
        self.lane(lane).try_put(event)
    }

    /// Hands an event over when there is room; false when nobody receives any more.
    pub(super) async fn put(&self, lane: Lane, event: TransportEvent) -> bool {
        self.lane(lane).put(event).await
    }
}

impl<Item: From<TransportEvent> + Send + 'static> From<mpsc::Sender<Item>> for Sink {
    fn from(sender: mpsc::Sender<Item>) -> Self {
        Sink::new(sender)
    }
}

impl fmt::Debug for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sink").field("has_room", &self.has_room(Lane::Urgent)).finish()
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
