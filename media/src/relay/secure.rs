//! What a stream takes besides plain RTP: its keys, its handshake, its checks; what its packets look like.

use std::sync::Arc;

use super::book::{News, Signs};
use super::command::Command;
use super::gate::Gate;
use super::handshake::Task;
use super::{Key, RelayControl};
use crate::control::Security;
use crate::srtp::{Opener, Sealer};

impl RelayControl {
    /// Whether all streams share a handful of ports.
    pub(super) fn shares_ports(&self) -> bool {
        self.config.shared_ports.is_some()
    }

    /// Says what a stream's packets look like, where it shares ports.
    pub(super) fn look(&mut self, key: Key) {
        let Some(stream) = self.board.stream(key).filter(|_| self.shares_ports()) else { return };
        let (spec, bound) = (&stream.spec, &stream.handle.bound);
        self.ports.learn(bound, spec);
        let signs = Signs {
            hosts: self.ports.hosts(bound),
            ssrcs: spec.ssrcs.clone(),
            fragment: spec.ice.as_ref().map(|ice| ice.fragment.clone()),
            is_hidden: spec.is_hidden,
        };
        let news = if spec.sdp_changed { News::Told } else { News::None };
        let (bound, signs) = (Arc::clone(bound), Box::new(signs));
        self.tell(&stream.handle.bound, Command::Look { bound, signs, news });
    }

    /// Says what a stream takes besides media.
    pub(super) fn set_gate(&self, key: Key) {
        let Some(stream) = self.board.stream(key) else { return };
        let bound = &stream.handle.bound;
        let takes_handshakes = stream.spec.security.is_by_handshake();
        let ice = stream.spec.ice.clone();
        let gate =
            (ice.is_some() || takes_handshakes).then(|| Box::new(Gate { ice, takes_handshakes }));
        self.tell(bound, Command::Gate { bound: Arc::clone(bound), gate });
    }

    /// Begins the handshake that a stream's keys come from, or ends it.
    pub(super) fn shake_hands(&self, key: Key, former: &Security) {
        let Some(stream) = self.board.stream(key) else { return };
        let bound = &stream.handle.bound;
        match &stream.spec.security {
            Security::Dtls(handshake) => {
                self.handshakes.tell(Task::Begin(Arc::clone(bound), handshake.clone()));
            }
            _ if former.is_by_handshake() => self.handshakes.tell(Task::End(bound.life)),
            _ => {}
        }
    }

    /// Changes a stream's keys, as far as they are others than before.
    pub(super) fn secure(&self, key: Key, former: &Security) {
        let Some(stream) = self.board.stream(key) else { return };
        let (security, bound) = (&stream.spec.security, &stream.handle.bound);
        if security.local() != former.local() || security.is_plain() != former.is_plain() {
            let sealer = security.local().map(|material| Arc::new(Sealer::new(material)));
            bound.outlet.set_security(!security.is_plain(), sealer);
        }
        if is_other_handshake(security, former) {
            bound.outlet.set_security(true, None);
        }
        if security.remote() != former.remote() || security != former && former.is_by_handshake() {
            let opener = security.remote().map(|material| Box::new(Opener::new(material)));
            self.tell(bound, Command::Secure { bound: Arc::clone(bound), opener });
        }
    }
}

/// Whether keys come from another handshake than before.
fn is_other_handshake(security: &Security, former: &Security) -> bool {
    security.is_by_handshake() && security != former
}
